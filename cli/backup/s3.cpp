// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/s3.hpp"

#include "cli/backup/s3_answers.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace conduit::backup {
namespace {

constexpr Duration k_first_pause{200};
constexpr Duration k_longest_pause{5'000};
constexpr std::size_t k_parts_of_a_size = 1'000; // then pieces grow: S3 takes 10,000 of them

using Query = std::multimap<std::string, std::string>;

struct Wanted {
    std::string method = "GET";
    std::string path; // in the repository
    Query query;
    std::string body;
    std::string range;
    bool bucket = false; // the bucket itself, not something in it
};

bool passing(int status) // worth another try
{
    return status >= 500 || status == 429;
}

class S3 final : public Repository {
  public:
    S3(S3Place place, HttpClient& http, Clock& clock, const Cancel* stop)
        : place_(std::move(place)), http_(http), clock_(clock), stop_(stop)
    {
    }

    std::string name() const override
    {
        return fmt::format("s3://{}{}{}", place_.bucket, place_.prefix.empty() ? "" : "/", place_.prefix);
    }

    Result<std::unique_ptr<Upload>> create(const std::string& path) override;

    Result<> read(const std::string& path, ByteSink& to) override
    {
        TRY_ASSIGN(const auto head, good({.method = "HEAD", .path = path}));
        const auto length = s3_number(head.header("content-length"));
        if (!length)
            return fail(ErrorKind::failed, fmt::format("{} does not say how large {} is", name(), path));
        for (std::uint64_t at = 0; at < *length;) {
            const auto last = std::min<std::uint64_t>(*length, at + place_.piece) - 1;
            TRY_ASSIGN(const auto piece, good({.path = path, .range = fmt::format("bytes={}-{}", at, last)}));
            if (piece.body.size() != last - at + 1)
                return fail(ErrorKind::failed, fmt::format("{} gave {} bytes of {} where {} were asked for",
                                                           name(), piece.body.size(), path, last - at + 1));
            TRY(to.write(piece.body));
            at = last + 1;
        }
        return {};
    }

    Result<std::vector<StoredFile>> list(const std::string& folder) override
    {
        std::vector<StoredFile> found;
        const auto root = place_.prefix.empty() ? "" : place_.prefix + "/";
        Query query{{"list-type", "2"}, {"prefix", root + (folder.empty() ? "" : folder + "/")}};
        for (;;) {
            TRY_ASSIGN(const auto answer, good({.query = query, .bucket = true}));
            TRY_ASSIGN(auto page, read_s3_list(answer.body));
            for (auto& file : page.files)
                if (file.path.starts_with(root))
                    found.push_back({file.path.substr(root.size()), file.bytes});
            if (page.next.empty())
                break;
            query.erase("continuation-token");
            query.emplace("continuation-token", page.next);
        }
        std::ranges::sort(found, {}, &StoredFile::path);
        return found;
    }

    Result<> remove(const std::string& path) override
    {
        const auto gone = good({.method = "DELETE", .path = path});
        if (!gone && gone.error().kind != ErrorKind::not_found)
            return gone.error();
        return {};
    }

    // Tried again while that may help. Every request of ours can be repeated.
    Result<HttpResponse> good(const Wanted& wanted)
    {
        const Deadline patience(place_.patience);
        auto pause = k_first_pause;
        for (;;) {
            const auto request = signed_request(wanted);
            auto answer = http_.send(request, patience);
            if (answer && answer->status < 300)
                return answer;
            const bool again = answer ? passing(answer->status)
                                      : answer.error().kind == ErrorKind::unreachable ||
                                            answer.error().kind == ErrorKind::unknown;
            if (stop_ != nullptr && stop_->requested())
                return fail(ErrorKind::interrupted, "interrupted");
            if (!again || patience.left() <= pause)
                return answer ? Result<HttpResponse>(refusal(wanted, *answer))
                              : Result<HttpResponse>(no_answer(wanted, answer.error()));
            clock_.sleep(pause);
            pause = std::min(pause * 2, k_longest_pause);
        }
    }

    std::size_t piece_after(std::size_t parts) const
    {
        return place_.piece * (1 + parts / k_parts_of_a_size);
    }

  private:
    HttpRequest signed_request(const Wanted& wanted) const
    {
        auto base = place_.endpoint.empty() ? fmt::format("https://s3.{}.amazonaws.com", place_.region)
                                            : place_.endpoint;
        while (base.ends_with('/'))
            base.pop_back();
        const auto scheme_end = base.find("://") + 3;
        auto host = base.substr(scheme_end);
        std::string path = "/";
        if (place_.path_style)
            path += place_.bucket + (wanted.bucket ? "" : "/");
        else
            host = fmt::format("{}.{}", place_.bucket, host);
        if (!wanted.bucket)
            path += percent_encode((place_.prefix.empty() ? "" : place_.prefix + "/") + wanted.path, "/");
        const auto query = query_string(wanted.query);
        SigV4Request request{.method = wanted.method,
                             .path = path,
                             .query = query,
                             .headers = {{"host", host}},
                             .payload_hash = sha256_hex(wanted.body)};
        request.headers.emplace_back("x-amz-content-sha256", request.payload_hash);
        if (!wanted.range.empty())
            request.headers.emplace_back("range", wanted.range);
        const auto sealed = sign_request(place_.credentials, {place_.region, "s3"}, clock_.now(), request);
        HttpRequest out;
        out.method = wanted.method;
        out.url = fmt::format("{}{}{}{}{}", base.substr(0, scheme_end), host, path, query.empty() ? "" : "?",
                              query);
        for (const auto& [name, value] : request.headers)
            if (name != "host")
                out.headers.emplace_back(name, value);
        out.headers.insert(out.headers.end(), sealed.headers.begin(), sealed.headers.end());
        out.body = wanted.body;
        out.max_body = std::max<std::size_t>(64U << 20U, place_.piece * 2);
        return out;
    }

    std::string what(const Wanted& wanted) const
    {
        return wanted.bucket ? name() : fmt::format("{}/{}", name(), wanted.path);
    }

    Error no_answer(const Wanted& wanted, const Error& error) const
    {
        return Error{error.kind == ErrorKind::unknown ? ErrorKind::unreachable : error.kind,
                     fmt::format("{} cannot be reached ({})", what(wanted), wanted.method),
                     "Look at backup.endpoint and the way there; the command may be run again."}
            .with_cause(error.cause.empty() ? error.message : error.message + ": " + error.cause);
    }

    Error refusal(const Wanted& wanted, const HttpResponse& answer) const
    {
        const auto said = read_s3_error(answer.body);
        auto kind = ErrorKind::failed;
        if (answer.status == 404)
            kind = ErrorKind::not_found;
        else if (answer.status == 401 || answer.status == 403 || said.code.ends_with("Token") ||
                 said.code.starts_with("ExpiredToken"))
            kind = ErrorKind::auth;
        else if (passing(answer.status))
            kind = ErrorKind::unreachable;
        std::string hint =
            kind == ErrorKind::auth ? "Look at backup.access_key, backup.secret_key and what they may." : "";
        if (said.code == "RequestTimeTooSkewed")
            hint = fmt::format("The clocks differ: the store has {}; set this machine's.",
                               answer.header("date"));
        if (said.code == "NoSuchBucket")
            hint =
                fmt::format("Make bucket {} first, or name another with backup.repository.", place_.bucket);
        return Error{kind,
                     fmt::format("{} of {} was answered with {}{}{}", wanted.method, what(wanted),
                                 answer.status, said.code.empty() ? "" : " ", printable(said.code)),
                     std::move(hint)}
            .with_cause(printable(said.message));
    }

    const S3Place place_;
    HttpClient& http_;
    Clock& clock_;
    const Cancel* stop_;
};

// Small ones in one request; else in pieces that count once they were put together.
class S3Upload final : public Upload {
  public:
    S3Upload(S3& store, std::string path) : store_(store), path_(std::move(path)) {}
    S3Upload(const S3Upload&) = delete;
    S3Upload& operator=(const S3Upload&) = delete;
    ~S3Upload() override
    {
        if (!upload_.empty()) // else the store keeps, and charges for, pieces that nobody sees
            (void)store_.good({.method = "DELETE", .path = path_, .query = {{"uploadId", upload_}}})
                .has_value();
    }

    Result<> write(std::string_view bytes) override
    {
        while (!bytes.empty()) {
            const auto limit = store_.piece_after(tags_.size());
            const auto n = std::min(bytes.size(), limit - pending_.size());
            pending_ += bytes.substr(0, n);
            bytes.remove_prefix(n);
            if (pending_.size() == limit)
                TRY(send_piece());
        }
        return {};
    }

    Result<> finish() override
    {
        if (upload_.empty()) {
            TRY(store_.good({.method = "PUT", .path = path_, .body = std::move(pending_)}));
            return {};
        }
        if (!pending_.empty())
            TRY(send_piece());
        TRY_ASSIGN(const auto done, store_.good({.method = "POST",
                                                 .path = path_,
                                                 .query = {{"uploadId", upload_}},
                                                 .body = write_s3_completion(tags_)}));
        const auto said = read_s3_error(done.body); // a 200 that failed while the pieces were put together
        if (!said.code.empty())
            return Error{ErrorKind::failed, fmt::format("{} was not put together: {}", path_, said.code)}
                .with_cause(said.message);
        upload_.clear();
        return {};
    }

  private:
    Result<> send_piece()
    {
        if (upload_.empty()) {
            TRY_ASSIGN(const auto begun,
                       store_.good({.method = "POST", .path = path_, .query = {{"uploads", ""}}}));
            TRY_ASSIGN(upload_, read_s3_upload_id(begun.body));
        }
        TRY_ASSIGN(const auto sent, store_.good({.method = "PUT",
                                                 .path = path_,
                                                 .query = {{"partNumber", std::to_string(tags_.size() + 1)},
                                                           {"uploadId", upload_}},
                                                 .body = std::move(pending_)}));
        pending_.clear();
        tags_.push_back(sent.header("etag"));
        return {};
    }

    S3& store_;
    const std::string path_;
    std::string pending_;
    std::string upload_;
    std::vector<std::string> tags_;
};

Result<std::unique_ptr<Upload>> S3::create(const std::string& path)
{
    return std::make_unique<S3Upload>(*this, path);
}

} // namespace

Result<S3Place> parse_s3(std::string_view url)
{
    constexpr std::string_view scheme = "s3://";
    const auto rest = url.starts_with(scheme) ? url.substr(scheme.size()) : std::string_view();
    const auto slash = rest.find('/');
    S3Place place;
    place.bucket = rest.substr(0, slash);
    place.prefix = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
    while (place.prefix.ends_with('/'))
        place.prefix.pop_back();
    const bool named = !place.bucket.empty() && std::ranges::all_of(place.bucket, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
    if (!named)
        return fail(ErrorKind::usage, fmt::format("'{}' names no bucket", printable(url)),
                    "Write it as s3://BUCKET/PREFIX; buckets are of a-z, 0-9, dots and hyphens.");
    return place;
}

std::unique_ptr<Repository> open_s3(S3Place place, HttpClient& http, Clock& clock, const Cancel* stop)
{
    return std::make_unique<S3>(std::move(place), http, clock, stop);
}

} // namespace conduit::backup
