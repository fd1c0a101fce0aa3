// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/setup.hpp"

#include "core/hash.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

bool is_there(const fs::path& path)
{
    std::error_code ignored;
    return fs::exists(path, ignored);
}

// The secret in the file; a new one is written when there is none.
Result<std::string> keep_secret(const fs::path& path, const std::string& prefix, std::size_t bytes)
{
    if (is_there(path)) {
        TRY_ASSIGN(const std::string text, read_file(path, 4096));
        if (trim(text).empty())
            return fail(ErrorKind::failed, fmt::format("{} is empty", path.string()),
                        fmt::format("Remove {} and run `conduitctl local up` again.", path.string()));
        return std::string(trim(text));
    }
    auto secret = prefix + random_token(bytes);
    TRY(write_file(path, secret + "\n", 0600));
    return secret;
}

Result<> write_once(const fs::path& path, const std::string& content)
{
    return is_there(path) ? Result<>{} : write_file(path, content, 0600);
}

fs::path admin_tokens(const Layout& layout)
{
    return layout.config() / "admin-tokens.keys";
}

fs::path api_keys(const Layout& layout)
{
    return layout.config() / "api.keys";
}

fs::path sim_credentials(const Layout& layout)
{
    return layout.config() / "sim-credentials.yaml";
}

fs::path secret_file(const Layout& layout, std::string_view name)
{
    return layout.config() / fmt::format("{}.key", name);
}

// The provider keys, and the same once more in the form the simulator checks them against.
Result<> write_provider_keys(const Layout& layout)
{
    TRY_ASSIGN(const std::string openai, keep_secret(secret_file(layout, "openai"), "sk-sim-", 24));
    TRY_ASSIGN(const std::string google, keep_secret(secret_file(layout, "google"), "AIzaSim", 16));
    TRY_ASSIGN(const std::string access, keep_secret(secret_file(layout, "aws-access"), "AKIDSIM", 8));
    TRY_ASSIGN(const std::string secret, keep_secret(secret_file(layout, "aws-secret"), "", 20));
    const Json credentials{
        {"openai", {openai}},
        {"google", {google}},
        {"aws", Json::array({Json{{"access_key_id", access}, {"secret_access_key", secret}}})}};
    return write_once(sim_credentials(layout), dump_yaml(credentials));
}

Json file_ref(const fs::path& path)
{
    return "file:" + path.string();
}

Json providers_json(const Layout& layout, const LocalSpec& spec)
{
    Json openai{{"kind", "openai"}, {"weight", 70}, {"key", file_ref(secret_file(layout, "openai"))}};
    Json google{{"kind", "google"}, {"weight", 20}, {"key", file_ref(secret_file(layout, "google"))}};
    Json aws{{"kind", "aws"},
             {"weight", 10},
             {"region", "us-east-1"},
             {"access_key", file_ref(secret_file(layout, "aws-access"))},
             {"secret_key", file_ref(secret_file(layout, "aws-secret"))}};
    openai["models"] = Json{{"transcription", "whisper-1"}, {"speech", "tts-1"}};
    openai["price"] = Json{{"speech_per_1k_characters", 0.015}, {"transcription_per_minute", 0.006}};
    google["price"] = Json{{"speech_per_1k_characters", 0.016}, {"transcription_per_minute", 0.016}};
    aws["price"] = Json{{"speech_per_1k_characters", 0.016}, {"transcription_per_minute", 0.024}};
    if (spec.sim) {
        openai["endpoint"] = fmt::format("http://127.0.0.1:{}", spec.openai_port);
        google["endpoint"] = fmt::format("http://127.0.0.1:{}", spec.google_port);
        aws["endpoint"] = fmt::format("http://127.0.0.1:{}", spec.aws_port);
    }
    return Json{{"openai", openai}, {"google", google}, {"aws", aws}};
}

} // namespace

Result<> write_secrets(const Layout& layout)
{
    TRY_ASSIGN(const std::string operator_token, keep_secret(layout.operator_token(), "", 32));
    TRY_ASSIGN(const std::string viewer_token, keep_secret(layout.viewer_token(), "", 32));
    TRY_ASSIGN(const std::string api_key, keep_secret(layout.api_key(), "sk-local-", 24));
    TRY(write_provider_keys(layout));
    const auto token = [](std::string_view name, std::string_view scope, const std::string& secret) {
        return Json{{"name", name}, {"scope", scope}, {"sha256", sha256_hex(secret)}};
    };
    const Json tokens = Json::array(
        {token("local-operator", "operator", operator_token), token("local-viewer", "viewer", viewer_token)});
    TRY(write_once(admin_tokens(layout), dump_yaml(tokens)));
    const Json keys = Json::array({Json{{"name", "local"}, {"sha256", sha256_hex(api_key)}}});
    return write_once(api_keys(layout), dump_yaml(keys));
}

Result<> write_agent_config(const Layout& layout, const LocalSpec& spec)
{
    if (is_there(layout.agent_yaml()))
        return {};
    const Json document{
        {"listen", {{"data", fmt::format("127.0.0.1:{}", spec.data_port)}, {"admin", "127.0.0.1:0"}}},
        {"admin", {{"tokens", admin_tokens(layout).string()}}},
        {"keys", {{"file", api_keys(layout).string()}}},
        {"providers", providers_json(layout, spec)},
        {"cache", {{"store", "memory"}, {"max_bytes", "256Mi"}}},
        {"control", {{"store", "sqlite"}, {"path", (layout.state() / "control.db").string()}}},
        {"records", {{"store", "sqlite"}, {"path", (layout.state() / "records.db").string()}}}};
    return write_file(
        layout.agent_yaml(),
        "# Written by `conduitctl local up`; yours to change: it is kept, and the agents watch it.\n" +
            dump_yaml(document),
        0600);
}

std::vector<std::string> sim_credential_args(const Layout& layout)
{
    return {"--credentials", sim_credentials(layout).string()};
}

} // namespace conduit::local
