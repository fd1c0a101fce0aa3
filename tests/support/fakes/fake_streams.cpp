// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_streams.hpp"

#include "cli/orchestrator/local/streams.hpp"
#include "core/process.hpp"
#include "core/text.hpp"

#include <unistd.h>

namespace conduit::test {
namespace {

// Of a server that says nothing until it is left.
class IdleStream final : public PortStream {
  public:
    bool ended() const override { return ended_; }
    void wait() override { ended_.wait(false); }
    void cut() override
    {
        ended_ = true;
        ended_.notify_all();
    }
    std::optional<Error> fault() const override { return {}; }

  private:
    std::atomic<bool> ended_{false};
};

} // namespace

Result<> FakeStreams::enter(const std::string& call)
{
    for (const auto& key : {call, std::string("*")})
        if (const auto fault = faults.find(key); fault != faults.end())
            return fault->second;
    return {};
}

Result<StreamPlace> FakeStreams::place(std::string_view name, std::string_view container,
                                       Deadline /*deadline*/)
{
    const std::lock_guard lock(mutex);
    TRY(enter("place"));
    if (!container.empty() && !containers.contains(std::string(container)))
        return fail(ErrorKind::not_found,
                    unknown_name("container", container, std::vector(containers.begin(), containers.end())));
    const auto in = container.empty() ? std::string("main") : std::string(container);
    std::vector<std::string> names;
    for (const auto& [workload, instances] : ready) {
        names.push_back(workload);
        names.insert(names.end(), instances.begin(), instances.end());
        if (workload == name && !instances.empty())
            return StreamPlace{*instances.begin(), in, true};
        if (instances.contains(std::string(name)))
            return StreamPlace{std::string(name), in, true};
    }
    return fail(ErrorKind::not_found, unknown_name("instance or workload", name, names));
}

Result<RemoteEnd> FakeStreams::exec(const ExecRequest& request, const RemoteIo& io, const Cancel& cancel,
                                    Deadline deadline)
{
    requests.push_back(request);
    if (before_exec)
        before_exec(request);
    TRY(enter("exec"));
    if (cancel.requested())
        return fail(ErrorKind::interrupted, "interrupted");
    if (ends_with)
        return RemoteEnd{*ends_with};
    ProcessSpec spec{.argv = request.command, .env = {}, .stdin_bytes = {}, .cwd = folder};
    spec.max_output = 64U << 20U;
    std::string buffer(65536, '\0');
    while (io.in >= 0) {
        const auto got = ::read(io.in, buffer.data(), buffer.size());
        if (got <= 0)
            break;
        spec.stdin_bytes.append(buffer, 0, static_cast<std::size_t>(got));
    }
    TRY_ASSIGN(const auto ran, run_process(spec, deadline));
    if ((!ran.out.empty() && !io.out(ran.out)) || (!ran.err.empty() && !io.err(ran.err)))
        return fail(ErrorKind::interrupted, "nobody reads");
    return RemoteEnd{ran.exit_code};
}

Result<std::unique_ptr<PortStream>> FakeStreams::open_port(const std::string& instance, std::uint16_t port,
                                                           UniqueFd local, const Cancel& /*cancel*/,
                                                           Deadline /*deadline*/)
{
    {
        const std::lock_guard lock(mutex);
        TRY(enter("open_port"));
        opened.push_back(instance);
    }
    if (port == k_idle_port)
        return std::make_unique<IdleStream>();
    return local::join_port(port, std::move(local));
}

} // namespace conduit::test
