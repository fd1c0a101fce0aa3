// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/stack.hpp"

#include "cli/orchestrator/local/local.hpp"
#include "cli/orchestrator/local/sim_faults.hpp"
#include "cli/orchestrator/local/supervisor.hpp"

#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

class ProcessStack final : public LocalStack {
  public:
    explicit ProcessStack(std::function<Result<HttpClient*>()> http) : http_(std::move(http)) {}

    Result<UpResult> up(const UpOptions& options) override { return local_up(options); }
    Result<DownResult> down(const DownOptions& options) override { return local_down(options); }
    Result<Json> status(const fs::path& dir, Deadline deadline, const Cancel* cancel) override
    {
        return local_status(dir, deadline, cancel);
    }

    Result<Json> faults(const std::string& control_url, Deadline deadline) override
    {
        TRY_ASSIGN(HttpClient * http, http_());
        return list_faults({*http, control_url}, deadline);
    }
    Result<Json> set_fault(const std::string& control_url, const std::string& provider, const SimFault& fault,
                           Deadline deadline) override
    {
        TRY_ASSIGN(HttpClient * http, http_());
        return local::set_fault({*http, control_url}, provider, fault, deadline);
    }
    Result<Json> clear_fault(const std::string& control_url, const std::string& provider,
                             Deadline deadline) override
    {
        TRY_ASSIGN(HttpClient * http, http_());
        return local::clear_fault({*http, control_url}, provider, deadline);
    }

    int supervise(const SuperviseRequest& request) override
    {
        SupervisorOptions options;
        options.dir = request.dir;
        options.agent_program = request.agent_program;
        options.sim_program = request.sim_program;
        options.every_second = request.every_second;
        return run_supervisor(options);
    }

  private:
    std::function<Result<HttpClient*>()> http_;
};

} // namespace

std::unique_ptr<LocalStack> make_local_stack(std::function<Result<HttpClient*>()> http)
{
    return std::make_unique<ProcessStack>(std::move(http));
}

} // namespace conduit::local
