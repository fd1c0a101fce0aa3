// SPDX-License-Identifier: Apache-2.0
#include "sim/options.hpp"

#include "core/fs.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace conduit::sim {
namespace {

constexpr std::string_view k_notes = R"(
Each provider has a port of its own; `aws` serves Polly and Transcribe on one. Port 0 takes any free port:
read the addresses from the ready file.

Without --credentials these test credentials are accepted, and nothing else:
  openai  Bearer sk-sim-openai-test-key
  google  AIzaSimGoogleTestKey (as key, as header or as Bearer token)
  aws     AKIDSIMTESTKEY / sim-aws-test-secret-access-key
The file (YAML or JSON) has the members openai and google, lists of keys, and aws, a list of
{access_key_id, secret_access_key, session_token}. A member named as a provider goes before its kind.

Speech is real audio in every format (tones that follow the text), and carries its text in a tag or in the
lowest bits of its samples: transcribing it gives the text back. Other audio is
answered with a sentence that its SHA-256 picks, always the same for the same bytes. Media types
outside the known containers are not decoded. Polly's ogg_vorbis and json (speech marks) are not simulated.

Control API (JSON):
  GET    /providers, /providers/NAME        counters, url, fault
  PATCH  /providers/NAME/fault              change members; null resets one; PUT replaces; DELETE lifts
  POST   /counters/reset
Members of a fault: latency_ms (before the answer), first_byte_ms (between head and body),
bytes_per_second, error_rate (0..1), status (alone: every request), fail_next (so many client requests),
throttle, retry_after_s, quota_exhausted, bad_credentials, garbage, html_502, hang, cut_after_bytes,
reset (true, "request" or "accept"), down, ws_close_code, ws_close_reason, ws_close_after (messages),
expires_in_s (the fault lifts itself). Health probes (models, voices, list) are spared by throttle,
quota_exhausted, garbage and fail_next.

With LISTEN_FDS the sockets are inherited from descriptor 3 on; CONDUIT_SIM_FDS names them in order, for
example "openai,google,aws,control".)";

Result<ProviderSpec> parse_provider(std::string_view text)
{
    const auto equals = text.find('=');
    const auto named = text.substr(0, equals);
    const auto colon = named.find(':');
    ProviderSpec spec;
    spec.name = named.substr(0, colon);
    const auto kind_name = colon == std::string_view::npos ? named : named.substr(colon + 1);
    const auto kind = parse_provider_kind(kind_name);
    if (spec.name.empty() || spec.name == "control" || spec.name.contains('/') || !kind)
        return fail(
            ErrorKind::usage, fmt::format("'{}' does not name a provider", printable(text)),
            "Write it as openai=127.0.0.1:0, or NAME:KIND=ADDRESS with the kind openai, google or aws.");
    spec.kind = *kind;
    if (equals != std::string_view::npos) {
        TRY_ASSIGN(spec.listen.address, parse_host_port(text.substr(equals + 1)));
    }
    return spec;
}

Result<ProviderSpec> provider_from_yaml(const YamlNode& node)
{
    constexpr std::array<std::string_view, 3> k_known = {"name", "kind", "listen"};
    if (auto errors = node.unknown_keys(k_known); !errors.empty())
        return errors.front();
    TRY_ASSIGN(auto text, node.get("name").as_string());
    if (node.get("kind").exists()) {
        TRY_ASSIGN(const auto kind, node.get("kind").as_string());
        text += ":" + kind;
    }
    if (node.get("listen").exists()) {
        TRY_ASSIGN(const auto listen, node.get("listen").as_string());
        text += "=" + listen;
    }
    auto spec = parse_provider(text);
    return spec ? std::move(spec) : Result<ProviderSpec>(node.error(spec.error().message, spec.error().hint));
}

Result<> read_credentials(const std::string& path, SimOptions& options)
{
    TRY_ASSIGN(const auto text, read_file(path, 1U << 20U));
    TRY_ASSIGN(options.credentials, parse_credentials(text, path));
    return {};
}

Result<> read_config(const std::string& path, SimCommand& command)
{
    constexpr std::array<std::string_view, 6> k_known = {"providers",  "control",     "threads",
                                                         "ready_file", "credentials", "bench_route"};
    TRY_ASSIGN(const auto text, read_file(path, 1U << 20U));
    TRY_ASSIGN(const auto root, parse_yaml(text, path));
    if (auto errors = root.unknown_keys(k_known); !errors.empty())
        return errors.front();
    for (const auto& item : root.get("providers").items()) {
        TRY_ASSIGN(auto spec, provider_from_yaml(item));
        command.options.providers.push_back(std::move(spec));
    }
    if (root.get("control").exists()) {
        TRY_ASSIGN(const auto address, root.get("control").as_string());
        TRY_ASSIGN(command.options.control.address, parse_host_port(address));
    }
    if (root.get("threads").exists()) {
        TRY_ASSIGN(const auto threads, root.get("threads").as_int());
        if (threads < 1 || threads > 64)
            return root.get("threads").error("threads must be from 1 to 64");
        command.options.threads = static_cast<unsigned>(threads);
    }
    if (root.get("bench_route").exists()) {
        TRY_ASSIGN(command.options.bench_route, root.get("bench_route").as_bool());
    }
    if (root.get("ready_file").exists()) {
        TRY_ASSIGN(command.ready_file, root.get("ready_file").as_string());
    }
    if (root.get("credentials").exists()) {
        TRY_ASSIGN(const auto credentials, root.get("credentials").as_string());
        TRY(read_credentials(credentials, command.options));
    }
    return {};
}

Result<> take_inherited(SimOptions& options, const GetEnv& get_env)
{
    const auto count_text = get_env("LISTEN_FDS");
    if (!count_text)
        return {};
    const auto pid = get_env("LISTEN_PID");
    if (pid && *pid != fmt::to_string(::getpid()))
        return {};
    int count = 0;
    std::from_chars(count_text->data(), count_text->data() + count_text->size(), count);
    const auto names = split(get_env("CONDUIT_SIM_FDS").value_or(""), ',');
    if (count <= 0 || names.size() != static_cast<std::size_t>(count))
        return fail(
            ErrorKind::usage,
            fmt::format("LISTEN_FDS is {}, but CONDUIT_SIM_FDS names {} sockets", *count_text, names.size()),
            "Set CONDUIT_SIM_FDS to one name for each socket, for example openai,google,aws,control.");
    int fd = 3;
    for (const auto& name : names) {
        int listening = 0;
        socklen_t size = sizeof listening;
        if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
            return fail(ErrorKind::usage,
                        fmt::format("descriptor {} ('{}') is not a listening socket", fd, name),
                        "Pass listening sockets from descriptor 3 on.");
        if (name == "control") {
            options.control.fd = fd++;
            continue;
        }
        TRY_ASSIGN(auto spec, parse_provider(name));
        spec.listen.fd = fd++;
        const auto known = std::ranges::find(options.providers, spec.name, &ProviderSpec::name);
        if (known != options.providers.end())
            known->listen.fd = spec.listen.fd;
        else
            options.providers.push_back(std::move(spec));
    }
    return {};
}

struct Flags {
    std::string config;
    std::string credentials;
    std::string control;
    std::string ready_file;
    std::vector<std::string> providers;
    unsigned threads = 0;
    bool bench_route = false;
};

Result<> apply(const Flags& flags, SimCommand& command)
{
    if (!flags.config.empty())
        TRY(read_config(flags.config, command));
    for (const auto& text : flags.providers) {
        TRY_ASSIGN(auto spec, parse_provider(text));
        command.options.providers.push_back(std::move(spec));
    }
    if (!flags.control.empty()) {
        TRY_ASSIGN(command.options.control.address, parse_host_port(flags.control));
    }
    if (!flags.credentials.empty())
        TRY(read_credentials(flags.credentials, command.options));
    if (flags.threads > 0)
        command.options.threads = flags.threads;
    if (!flags.ready_file.empty())
        command.ready_file = flags.ready_file;
    command.options.bench_route |= flags.bench_route;
    return {};
}

} // namespace

Result<SimCommand> parse_sim_command(const std::vector<std::string>& arguments, const GetEnv& get_env)
{
    Flags flags;
    CLI::App app{"Speaks the wire formats of OpenAI, Google Cloud and AWS, and fails on demand.",
                 "conduit-sim"};
    app.add_option("--config", flags.config, "read providers, control, threads, ... from this YAML file");
    app.add_option("--provider", flags.providers,
                   "openai|google|aws=ADDRESS or NAME:KIND=ADDRESS; may be repeated");
    app.add_option("--control", flags.control, "address of the control API (127.0.0.1:0)");
    app.add_option("--credentials", flags.credentials, "file with the credentials that are accepted");
    app.add_option("--ready-file", flags.ready_file, "written as JSON once every port listens");
    app.add_option("--threads", flags.threads, "threads that serve (1)")->check(CLI::Range(1, 64));
    app.add_flag("--bench-route", flags.bench_route,
                 "answer /bench/N with N bytes, on every provider's port");
    app.set_version_flag("--version", std::string("conduit-sim ") + CONDUIT_VERSION);
    app.footer(std::string(k_notes));
    SimCommand command;
    command.options.credentials = test_credentials();
    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::CallForHelp&) {
        command.text = app.help();
        return command;
    } catch (const CLI::CallForVersion& version) {
        command.text = std::string(version.what()) + "\n";
        return command;
    } catch (const CLI::ParseError& error) {
        return fail(ErrorKind::usage, error.what(), "Run conduit-sim --help for the options.");
    }
    TRY(apply(flags, command));
    TRY(take_inherited(command.options, get_env));
    if (command.options.providers.empty()) {
        for (const auto* name : {"openai", "google", "aws"})
            command.options.providers.push_back(*parse_provider(name));
    }
    return command;
}

} // namespace conduit::sim
