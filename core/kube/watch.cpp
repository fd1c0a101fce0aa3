// SPDX-License-Identifier: Apache-2.0
#include "core/kube/watch.hpp"

#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

namespace conduit::kube {
namespace {

constexpr Duration k_first_pause{100};
constexpr Duration k_longest_pause{5000};
constexpr Duration k_slice{50};
constexpr std::size_t k_max_line = 32U << 20U;

std::optional<Change> change_of(const std::string& type)
{
    if (type == "ADDED")
        return Change::added;
    if (type == "MODIFIED")
        return Change::modified;
    if (type == "DELETED")
        return Change::deleted;
    return std::nullopt;
}

// How one connection ended.
enum class End : std::uint8_t { over, closed, expired };

class Watcher {
  public:
    Watcher(Api& api, const std::string& path, const WatchOptions& options, const OnEvent& sink,
            Deadline deadline)
        : api_(api), path_(path), options_(options), sink_(sink), deadline_(deadline)
    {
    }

    Result<> run()
    {
        for (;;) {
            if (version_.empty()) {
                auto listed = list();
                if (!listed && !survives(listed.error()))
                    return std::move(listed).error();
                if (over_)
                    return {};
                if (!listed) {
                    TRY(pause(listed.error()));
                    continue;
                }
            }
            auto followed = follow();
            if (!followed && !survives(followed.error()))
                return std::move(followed).error();
            if (followed && *followed == End::over)
                return {};
            if (stopped())
                return fail(ErrorKind::interrupted, "interrupted");
            if (followed && *followed == End::expired) {
                version_.clear();
                continue;
            }
            if (deadline_.passed())
                return fail(ErrorKind::unverified, fmt::format("{}: not seen in time", path_));
            TRY(followed ? breathe() : pause(followed.error()));
        }
    }

  private:
    bool tell(Change change, const Json* object)
    {
        over_ = over_ || !sink_({change, object});
        return !over_;
    }

    bool stopped() const
    {
        return (api_.cancel() != nullptr && api_.cancel()->requested()) ||
               (options_.stop != nullptr && options_.stop->requested());
    }

    Result<> list()
    {
        if (once_ && !tell(Change::anew, nullptr))
            return {};
        auto version = api_.list(
            path_, options_.query,
            [&](const Json& item) {
                if (!over_)
                    tell(Change::listed, &item);
            },
            [&] { tell(Change::anew, nullptr); }, deadline_);
        if (!version)
            return std::move(version).error();
        version_ = *std::move(version);
        once_ = true;
        lost_ = false;
        pause_ = k_first_pause;
        if (!over_)
            tell(Change::whole, nullptr);
        return {};
    }

    Result<End> follow()
    {
        auto query = options_.query;
        query.emplace("watch", "true");
        query.emplace("allowWatchBookmarks", "true");
        query.emplace("resourceVersion", version_);
        std::string line;
        std::optional<Result<End>> end;
        const Call call{.path = path_ + "?" + query_string(query), .stop = options_.stop};
        auto answer = api_.transport().stream(
            call,
            [&](std::string_view piece) {
                line.append(piece);
                std::size_t from = 0;
                for (std::size_t at = 0; !end && (at = line.find('\n', from)) != std::string::npos;
                     from = at + 1)
                    end = take(std::string_view(line).substr(from, at - from));
                line.erase(0, from);
                if (!end && line.size() > k_max_line)
                    end = Result<End>(
                        Error{ErrorKind::unknown, fmt::format("{}: a watch event without an end", path_)});
                return !end;
            },
            deadline_);
        if (end)
            return *std::move(end);
        if (!answer)
            return std::move(answer).error();
        if (answer->status < 300) {
            lost_ = false;
            return End::closed;
        }
        auto error = error_of(*answer, call, api_.transport().server());
        if (is_expired(error))
            return End::expired;
        return error;
    }

    // nullopt: go on reading.
    std::optional<Result<End>> take(std::string_view text)
    {
        if (trim(text).empty())
            return std::nullopt;
        const auto event = parse_json(text, {k_max_line, 128});
        const auto* object = event ? json_find(*event, "object") : nullptr;
        if (object == nullptr)
            return Result<End>(
                Error{ErrorKind::unknown, fmt::format("{}: a watch event that is no event", path_)});
        const auto type = json_string_or(*event, "type", "");
        if (type == "ERROR") {
            const Answer answer{.status = static_cast<int>(json_number_or(*object, "code", 500)),
                                .headers = {},
                                .body = dump_json(*object)};
            auto error = error_of(answer, {.path = path_}, api_.transport().server());
            if (is_expired(error))
                return Result<End>(End::expired);
            return Result<End>(std::move(error));
        }
        pause_ = k_first_pause;
        lost_ = false;
        if (const auto* meta = json_find(*object, "metadata"); meta != nullptr)
            if (auto version = json_string_or(*meta, "resourceVersion", ""); !version.empty())
                version_ = std::move(version);
        const auto change = change_of(type);
        if (change && !tell(*change, object))
            return Result<End>(End::over);
        return std::nullopt; // a bookmark is its version alone
    }

    bool survives(const Error& error) const
    {
        if (!once_ || deadline_.passed())
            return false;
        return error.kind == ErrorKind::unreachable || error.kind == ErrorKind::unknown ||
               (error.kind == ErrorKind::failed && error.details.contains("reason") &&
                error.details.at("reason") == "InternalError");
    }

    Result<> pause(const Error& error)
    {
        if (options_.lost && !std::exchange(lost_, true))
            options_.lost(error);
        const auto wait = std::exchange(pause_, std::min(pause_ * 2, k_longest_pause));
        return sleep(wait);
    }

    // Servers end watches after some minutes; one that ends each at once must not be asked without a break.
    Result<> breathe()
    {
        const auto wait = std::exchange(pause_, std::min(pause_ * 2, k_longest_pause));
        return sleep(wait);
    }

    Result<> sleep(Duration wait)
    {
        for (const Deadline until(wait); !until.passed();) {
            if (stopped())
                return fail(ErrorKind::interrupted, "interrupted");
            if (deadline_.passed())
                return fail(ErrorKind::unverified, fmt::format("{}: not seen in time", path_));
            api_.clock().sleep(std::min({k_slice, until.left(), deadline_.left()}));
        }
        return {};
    }

    Api& api_;
    const std::string& path_;
    const WatchOptions& options_;
    const OnEvent& sink_;
    const Deadline deadline_;
    std::string version_;
    bool once_ = false; // a list was complete
    bool over_ = false;
    bool lost_ = false; // and told
    Duration pause_ = k_first_pause;
};

} // namespace

Result<> watch(Api& api, const std::string& path, const WatchOptions& options, const OnEvent& sink,
               Deadline deadline)
{
    return Watcher(api, path, options, sink, deadline).run();
}

} // namespace conduit::kube
