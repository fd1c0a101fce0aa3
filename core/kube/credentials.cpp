// SPDX-License-Identifier: Apache-2.0
#include "core/kube/credentials.hpp"

#include "core/json.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

namespace conduit::kube {
namespace {

constexpr Duration k_file_lives{60'000}; // client-go looks at a token file as often
constexpr Duration k_early{10'000};      // a plugin's token is renewed so long before its end
constexpr Duration k_plugin_limit{60'000};
constexpr std::size_t k_max_token = 64U << 10U;

std::string base_header(const User& user)
{
    if (!user.token.empty())
        return "Bearer " + user.token;
    if (!user.username.empty())
        return "Basic " + base64_encode(user.username + ":" + user.password);
    return {};
}

void add_impersonation(const User& user, Identity& out)
{
    if (user.impersonate.empty())
        return;
    out.headers.emplace_back("Impersonate-User", user.impersonate);
    if (!user.impersonate_uid.empty())
        out.headers.emplace_back("Impersonate-Uid", user.impersonate_uid);
    for (const auto& group : user.impersonate_groups)
        out.headers.emplace_back("Impersonate-Group", group);
}

Json exec_info(const Access& access)
{
    const auto& exec = *access.user.exec;
    Json spec{{"interactive", false}};
    if (exec.provide_cluster_info) {
        spec["cluster"] = {{"server", access.cluster.server}};
        if (auto ca = read_pem(access.cluster.ca, "authority"); access.cluster.ca.set() && ca)
            spec["cluster"]["certificate-authority-data"] = base64_encode(*ca);
        if (!access.cluster.tls_server_name.empty())
            spec["cluster"]["tls-server-name"] = access.cluster.tls_server_name;
        if (access.cluster.insecure)
            spec["cluster"]["insecure-skip-tls-verify"] = true;
    }
    return Json{{"apiVersion", exec.api_version}, {"kind", "ExecCredential"}, {"spec", std::move(spec)}};
}

// What a plugin printed, and until when it holds.
struct Issued {
    std::string token;
    Pem certificate, key;
    std::optional<WallTime> until;
};

Result<Issued> read_issued(const std::string& out, const ExecPlugin& exec)
{
    const auto bad = [&](std::string why) {
        return fail(ErrorKind::auth, fmt::format("credential plugin {}: {}", exec.argv.front(), why));
    };
    const auto document = parse_json(out, {k_max_token * 4, 16});
    if (!document)
        return bad("its output is not JSON: " + document.error().message);
    if (const auto version = json_string_or(*document, "apiVersion", ""); version != exec.api_version)
        return bad(
            fmt::format("it answered in apiVersion '{}', not {}", printable(version), exec.api_version));
    const auto* status = json_find(*document, "status");
    if (status == nullptr || !status->is_object())
        return bad("its output has no status");
    Issued issued{.token = json_string_or(*status, "token", "")};
    issued.certificate.data = json_string_or(*status, "clientCertificateData", "");
    issued.key.data = json_string_or(*status, "clientKeyData", "");
    if (issued.certificate.set() != issued.key.set())
        return bad("it gave a certificate without its key, or a key alone");
    if (issued.token.empty() && !issued.certificate.set())
        return bad("it gave neither a token nor a certificate");
    if (const auto until = json_string_or(*status, "expirationTimestamp", ""); !until.empty()) {
        const auto time = parse_time(until);
        if (!time)
            return bad(fmt::format("'{}' is no time", printable(until)));
        issued.until = *time;
    }
    return issued;
}

class AccessCredentials final : public Credentials {
  public:
    AccessCredentials(Access access, const Clock& clock, RunProcess run)
        : access_(std::move(access)), clock_(clock), run_(std::move(run))
    {
    }

    Result<Identity> get(bool refused, Deadline deadline) override
    {
        const std::lock_guard lock(mutex_);
        const auto& user = access_.user;
        Identity out{.headers = {}, .certificate = user.certificate, .key = user.key};
        auto authorization = base_header(user);
        if (!user.token_file.empty()) {
            TRY_ASSIGN(authorization, from_file(refused));
        } else if (user.exec) {
            TRY(from_plugin(refused, deadline));
            authorization = issued_->token.empty() ? std::string() : "Bearer " + issued_->token;
            if (issued_->certificate.set()) {
                out.certificate = issued_->certificate;
                out.key = issued_->key;
            }
        }
        if (!authorization.empty())
            out.headers.emplace_back("Authorization", std::move(authorization));
        add_impersonation(user, out);
        return out;
    }

  private:
    Result<std::string> from_file(bool refused)
    {
        const auto now = clock_.steady();
        if (!file_token_.empty() && !refused && now < look_at_)
            return "Bearer " + file_token_;
        auto content = read_file(access_.user.token_file, k_max_token);
        if (!content && file_token_.empty())
            return Error{ErrorKind::auth, fmt::format("cannot read the token: {}", content.error().message)};
        if (content && !trim(*content).empty())
            file_token_ = trim(*content); // else the last one that was read stays
        look_at_ = now + k_file_lives;
        if (file_token_.empty())
            return fail(ErrorKind::auth,
                        fmt::format("the token file {} is empty", access_.user.token_file.string()));
        return "Bearer " + file_token_;
    }

    Result<> from_plugin(bool refused, Deadline deadline)
    {
        const bool holds =
            issued_ && !refused && (!issued_->until || clock_.now() + k_early < *issued_->until);
        if (holds)
            return {};
        const auto& exec = *access_.user.exec;
        if (exec.interactive == ExecPlugin::Interactive::always)
            return fail(ErrorKind::auth,
                        fmt::format("credential plugin {} wants a terminal", exec.argv.front()),
                        "Log in with it by hand first, and set interactiveMode: IfAvailable.");
        ProcessSpec spec{.argv = exec.argv, .env = exec.env, .stdin_bytes = {}, .cwd = {}};
        spec.max_output = k_max_token * 4;
        spec.env["KUBERNETES_EXEC_INFO"] = dump_json(exec_info(access_));
        auto ran = run_(spec, deadline.sooner(k_plugin_limit));
        if (!ran) {
            const bool missing = ran.error().kind == ErrorKind::not_found;
            return Error{ErrorKind::auth,
                         fmt::format("credential plugin {}: {}", exec.argv.front(), ran.error().message),
                         missing ? printable(exec.install_hint) : std::string()};
        }
        if (ran->exit_code != 0)
            return Error{ErrorKind::auth,
                         fmt::format("credential plugin {} ended with {}", exec.argv.front(), ran->exit_code)}
                .with_cause(printable(trim(ran->err)));
        TRY_ASSIGN(issued_, read_issued(ran->out, exec));
        return {};
    }

    const Access access_;
    const Clock& clock_;
    const RunProcess run_;
    std::mutex mutex_;
    std::string file_token_;
    SteadyTime look_at_{};
    std::optional<Issued> issued_;
};

} // namespace

std::unique_ptr<Credentials> make_credentials(const Access& access, const Clock& clock, RunProcess run)
{
    return std::make_unique<AccessCredentials>(access, clock, std::move(run));
}

} // namespace conduit::kube
