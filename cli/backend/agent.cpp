// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/agent.hpp"

#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

namespace conduit {
namespace {

constexpr Duration k_call_limit{10'000};
constexpr Duration k_poll_interval{20};

ErrorKind kind_of(int status, std::string_view code)
{
    for (const auto& row : exit_codes())
        if (row.name == code && row.kind != ErrorKind::ok)
            return row.kind;
    switch (status) {
    case 400:
        return ErrorKind::usage;
    case 401:
    case 403:
        return ErrorKind::auth;
    case 404:
        return ErrorKind::not_found;
    case 409:
        return ErrorKind::refused;
    case 412:
        return ErrorKind::stale;
    case 503:
        return ErrorKind::unreachable;
    default:
        return ErrorKind::failed;
    }
}

Error error_of(const HttpResponse& response, const Json& body, const std::string& url)
{
    const auto* error = json_find(body, "error");
    const Json none = Json::object();
    const Json& e = error != nullptr ? *error : none;
    const auto code = json_string_or(e, "code", "");
    auto message = json_string_or(e, "message", fmt::format("the agent answered HTTP {}", response.status));
    Error out{kind_of(response.status, code), printable(message), printable(json_string_or(e, "hint", ""))};
    if (out.kind == ErrorKind::auth && out.hint.empty())
        out.hint = "Check the context's agent token: conduitctl context check";
    out.details["url"] = url;
    if (const auto* details = json_find(e, "details"); details != nullptr && details->is_object())
        for (const auto& [key, value] : details->items())
            out.details[key] = value.is_string() ? value.get<std::string>() : dump_json(value);
    return out;
}

// What to set where TLS found no trust.
Error hinted(Error error)
{
    if (!error.hint.empty())
        return error;
    if (error.kind == ErrorKind::auth)
        error.hint = "Name yours: conduitctl context set agent.certificate FILE, and agent.key FILE.";
    else if (error.kind == ErrorKind::unreachable && error.cause.contains("certificate"))
        error.hint = "When its certificate is of your own authority: conduitctl context set agent.ca FILE";
    return error;
}

class HttpAgents final : public Agents {
  public:
    explicit HttpAgents(AgentsOptions options) : options_(std::move(options)) {}

    Result<std::vector<AgentEndpoint>> replicas(Deadline deadline) override
    {
        TRY_ASSIGN(auto found, options_.discover(deadline));
        if (found.empty())
            return fail(ErrorKind::unreachable, fmt::format("no agent is running in {}", options_.identity),
                        options_.start_hint);
        return found;
    }

    Result<JsonBox> ask(const AgentCall& call, Deadline deadline) override
    {
        TRY_ASSIGN(const auto endpoints, replicas(deadline));
        std::unique_lock lock(client_mutex_);
        if (!client_)
            client_ = options_.client();
        Error last{ErrorKind::unreachable, "no agent could be reached"};
        for (const auto& endpoint : endpoints) {
            auto answer = send(*client_, endpoint, call, deadline);
            const bool try_next =
                !answer && (answer.error().kind == ErrorKind::unreachable ||
                            (call.method == "GET" && answer.error().kind == ErrorKind::unknown));
            if (!try_next || deadline.passed())
                return answer;
            last = std::move(answer).error();
        }
        return last;
    }

    std::vector<ReplicaAnswer> ask_all(const AgentCall& call, Deadline deadline) override
    {
        const auto endpoints = replicas(deadline);
        std::vector<ReplicaAnswer> answers;
        if (!endpoints)
            return answers;
        for (const auto& endpoint : *endpoints)
            answers.push_back({endpoint, Error{ErrorKind::unknown, "not asked"}, Duration{0}});
        std::vector<std::jthread> threads;
        for (auto& answer : answers)
            threads.emplace_back([&] {
                const auto started = std::chrono::steady_clock::now();
                const auto client = options_.client();
                answer.body = send(*client, answer.replica, call, deadline);
                answer.took =
                    std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - started);
            });
        threads.clear(); // joins
        return answers;
    }

    std::string identity() const override { return options_.identity; }

  private:
    Result<std::string> token()
    {
        const std::scoped_lock lock(token_mutex_);
        if (!token_) {
            TRY_ASSIGN(auto value, options_.token());
            token_ = std::move(value);
        }
        return *token_;
    }

    Result<JsonBox> send(HttpClient& client, const AgentEndpoint& endpoint, const AgentCall& call,
                         Deadline deadline)
    {
        TRY_ASSIGN(const auto secret, token());
        HttpRequest request;
        request.method = call.method;
        request.url = endpoint.url + call.path;
        if (!call.query.empty())
            request.url += "?" + query_string(call.query);
        request.headers = call.headers;
        request.finish = call.finish;
        request.on_sent = call.on_sent;
        request.ca_file = options_.ca_file;
        request.certificate_file = options_.certificate_file;
        request.key_file = options_.key_file;
        // The API server's pod proxy strips Authorization, so the master-key header is the one that always
        // arrives.
        request.headers.emplace_back("X-Master-Key", secret);
        if (!options_.actor.empty())
            request.headers.emplace_back("X-Conduit-Actor", options_.actor);
        if (!call.body->is_null()) {
            request.body = dump_json(*call.body);
            request.headers.emplace_back("Content-Type", "application/json");
        }
        auto response = client.send(request, deadline.sooner(k_call_limit));
        if (!response)
            return hinted(std::move(response).error()).prefixed(endpoint.name);
        return read_answer(*response, request.url);
    }

    AgentsOptions options_;
    std::mutex client_mutex_;
    std::unique_ptr<HttpClient> client_;
    std::mutex token_mutex_;
    std::optional<std::string> token_;
};

} // namespace

Result<JsonBox> read_answer(const HttpResponse& response, const std::string& url)
{
    const bool text = !response.header("content-type").contains("json");
    if (response.status < 400 && text)
        return JsonBox(Json{{"text", sanitize_utf8(response.body)}});
    auto body = parse_json(response.body);
    if (response.status >= 400)
        return error_of(response, body ? *body : Json::object(), url);
    if (!body)
        return fail(ErrorKind::unknown, fmt::format("{} answered something that is not JSON", url));
    return JsonBox(*std::move(body));
}

std::unique_ptr<Agents> make_agents(AgentsOptions options)
{
    return std::make_unique<HttpAgents>(std::move(options));
}

std::string Convergence::missing() const
{
    std::vector<std::string> names;
    for (const auto& row : rows)
        if (row.agreed)
            continue;
        else if (!row.error.empty())
            names.push_back(fmt::format("{} ({})", row.replica.name, row.error));
        else if (row.applied_revision == 0)
            names.push_back(fmt::format("{} (no revision yet)", row.replica.name));
        else
            names.push_back(fmt::format("{} (at revision {})", row.replica.name, row.applied_revision));
    return join(names, ", ");
}

Convergence read_convergence(Agents& agents, std::uint64_t revision, Deadline deadline)
{
    Convergence out;
    for (auto& answer : agents.ask_all({.path = "/admin/v1/replica"}, deadline)) {
        Convergence::Row row;
        row.replica = answer.replica;
        if (!answer.body) {
            row.error = answer.body.error().message;
        } else if (const auto* control = json_find(**answer.body, "control"); control != nullptr) {
            row.applied_revision =
                static_cast<std::uint64_t>(json_number_or(*control, "applied_revision", 0));
            row.store_ok = json_bool_or(*control, "store_ok", false);
            if (const auto* skipped = json_find(*control, "skipped"); skipped != nullptr)
                for (const auto& text : *skipped)
                    row.skipped.push_back(text.is_string() ? text.get<std::string>() : dump_json(text));
        }
        row.agreed = row.error.empty() && row.applied_revision >= revision;
        out.agreed += row.agreed ? 1U : 0U;
        out.rows.push_back(std::move(row));
    }
    return out;
}

Convergence wait_converged(Agents& agents, std::uint64_t revision, Deadline deadline, Clock& clock,
                           const Cancel* cancel)
{
    for (;;) {
        auto reading = read_convergence(agents, revision, deadline);
        if (reading.complete() || deadline.passed() || (cancel != nullptr && cancel->requested()))
            return reading;
        clock.sleep(std::min(k_poll_interval, deadline.left()));
    }
}

} // namespace conduit
