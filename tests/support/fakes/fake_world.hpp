// SPDX-License-Identifier: Apache-2.0
// conduitctl with agents and an orchestrator in memory, wired as the real program is.
#pragma once

#include "cli/app/operations.hpp"
#include "cli/orchestrator/kubernetes/certificates.hpp"
#include "cli/orchestrator/kubernetes/settings.hpp"
#include "cli/orchestrator/kubernetes/volumes.hpp"
#include "cli/orchestrator/local/stack.hpp"
#include "cli/targets/certificates.hpp"
#include "cli/targets/config_file.hpp"
#include "cli/targets/control_target.hpp"
#include "cli/targets/once.hpp"
#include "cli/targets/redis.hpp"
#include "cli/targets/releases.hpp"
#include "cli/targets/settings_target.hpp"
#include "cli/targets/volumes.hpp"
#include "cli/targets/workloads.hpp"
#include "tests/support/fakes/fake_agents.hpp"
#include "tests/support/fakes/fake_cluster.hpp"
#include "tests/support/fakes/fake_orchestrator.hpp"
#include "tests/support/fakes/fake_redis_store.hpp"
#include "tests/support/fakes/fake_releases.hpp"
#include "tests/support/fakes/fake_streams.hpp"
#include "tests/support/fakes/fake_workloads.hpp"
#include "tests/support/test_app.hpp"

#include <memory>

namespace conduit::test {

// What an App owns when the world it speaks to is owned by the test.
class BorrowedAgents final : public Agents {
  public:
    explicit BorrowedAgents(Agents& to) : to_(to) {}
    Result<std::vector<AgentEndpoint>> replicas(Deadline deadline) override { return to_.replicas(deadline); }
    Result<JsonBox> ask(const AgentCall& call, Deadline deadline) override { return to_.ask(call, deadline); }
    std::vector<ReplicaAnswer> ask_all(const AgentCall& call, Deadline deadline) override
    {
        return to_.ask_all(call, deadline);
    }
    std::string identity() const override { return to_.identity(); }

  private:
    Agents& to_;
};

class BorrowedOrchestrator final : public Orchestrator {
  public:
    explicit BorrowedOrchestrator(Orchestrator& to) : to_(to) {}
    std::string kind() const override { return to_.kind(); }
    Result<std::string> identity(Deadline deadline) override { return to_.identity(deadline); }
    Result<std::vector<Workload>> workloads(Deadline d) override { return to_.workloads(d); }
    Result<std::vector<Instance>> instances(std::string_view w, Deadline d) override
    {
        return to_.instances(w, d);
    }
    Result<OrchestratorChange> scale(const ScaleRequest& r, const ChangeProgress& p, Deadline d) override
    {
        return to_.scale(r, p, d);
    }
    Result<OrchestratorChange> restart(const RestartRequest& r, const ChangeProgress& p, Deadline d) override
    {
        return to_.restart(r, p, d);
    }
    Result<std::optional<OrchestratorChange>> find_change(std::string_view key, Deadline d) override
    {
        return to_.find_change(key, d);
    }
    Result<> logs(const LogQuery& q, const LogSink& s, const Cancel& c, Deadline d) override
    {
        return to_.logs(q, s, c, d);
    }
    Result<std::vector<Usage>> top(std::string_view w, Duration b, Deadline d) override
    {
        return to_.top(w, b, d);
    }
    Result<std::vector<OrchestratorEvent>> events(Deadline d) override { return to_.events(d); }

  private:
    Orchestrator& to_;
};

class BorrowedStreams final : public InstanceStreams {
  public:
    explicit BorrowedStreams(InstanceStreams& to) : to_(to) {}
    Result<StreamPlace> place(std::string_view n, std::string_view c, Deadline d) override
    {
        return to_.place(n, c, d);
    }
    Result<RemoteEnd> exec(const ExecRequest& r, const RemoteIo& io, const Cancel& c, Deadline d) override
    {
        return to_.exec(r, io, c, d);
    }
    Result<std::unique_ptr<PortStream>> open_port(const std::string& i, std::uint16_t p, UniqueFd l,
                                                  const Cancel& c, Deadline d) override
    {
        return to_.open_port(i, p, std::move(l), c, d);
    }

  private:
    InstanceStreams& to_;
};

class BorrowedReleases final : public Releases {
  public:
    explicit BorrowedReleases(Releases& to) : to_(to) {}
    std::string identity() const override { return to_.identity(); }
    Result<std::map<std::string, JsonBox>> read(std::span<const std::string> p, Deadline d) override
    {
        return to_.read(p, d);
    }
    Result<> write(const SettingsRequest& r, Deadline d) override { return to_.write(r, d); }
    Result<bool> was_written(std::string_view k, const SettingChange& s, Deadline d) override
    {
        return to_.was_written(k, s, d);
    }
    Result<> settle(const std::string& w, const ChangeProgress& p, Deadline d) override
    {
        return to_.settle(w, p, d);
    }
    Result<RolloutStatus> status(const std::string& w, Deadline d) override { return to_.status(w, d); }
    Result<std::vector<Revision>> revisions(const std::string& w, Deadline d) override
    {
        return to_.revisions(w, d);
    }
    Result<std::vector<ContainerResources>> resources(const std::string& w, Deadline d) override
    {
        return to_.resources(w, d);
    }
    Result<ReleaseCheck> fits(const std::string& w, const std::vector<ContainerResources>& r,
                              Deadline d) override
    {
        return to_.fits(w, r, d);
    }
    Result<std::vector<ReleaseCheck>> precheck(const std::string& w, Deadline d) override
    {
        return to_.precheck(w, d);
    }
    Result<std::vector<Autoscaler>> autoscalers(Deadline d) override { return to_.autoscalers(d); }
    Result<JsonBox> new_autoscaler(const std::string& w, int min, int max, std::optional<int> cpu,
                                   Deadline d) override
    {
        return to_.new_autoscaler(w, min, max, cpu, d);
    }
    Result<JsonBox> describe(const std::string& n, Deadline d) override { return to_.describe(n, d); }
    Result<std::vector<ReleaseEvent>> events(const std::string& o, Deadline d) override
    {
        return to_.events(o, d);
    }
    Result<JsonBox> canary(const std::string& w, Deadline d) override { return to_.canary(w, d); }
    Result<> steer_canary(const std::string& w, std::string_view a, const std::string& k,
                          const std::function<void()>& s, Deadline d) override
    {
        return to_.steer_canary(w, a, k, s, d);
    }
    Result<bool> was_steered(const std::string& w, std::string_view a, const std::string& k,
                             Deadline d) override
    {
        return to_.was_steered(w, a, k, d);
    }
    Result<> settle_canary(const std::string& w, std::string_view a, const ChangeProgress& p,
                           Deadline d) override
    {
        return to_.settle_canary(w, a, p, d);
    }

  private:
    Releases& to_;
};

struct FakeWorld {
    FakeWorld()
    {
        agents.cancel = &app.cancel;
        orchestrator.cancel = &app.cancel;
        streams.folder = app.home();
        redis.cancel = &app.cancel;
        cluster.before = [this](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
            if (app.cancel.requested() &&
                call.method == "GET") // as the real transport: a write is let finish
                return Result<kube::Answer>(fail(ErrorKind::interrupted, "interrupted"));
            return cluster_fault ? cluster_fault(call) : std::nullopt;
        };
        releases.cancel = &app.cancel;
        app.setup = [this](App& a) { wire(a); };
    }
    FakeWorld(const FakeWorld&) = delete;

    void wire(App& a)
    {
        a.agents_slot.set([this](App& b) -> Result<std::unique_ptr<Agents>> {
            TRY(b.context());
            return std::make_unique<BorrowedAgents>(agents);
        });
        a.orchestrator_slot.set([this](App& b) -> Result<std::unique_ptr<Orchestrator>> {
            TRY(b.context());
            return std::make_unique<BorrowedOrchestrator>(orchestrator);
        });
        a.streams_slot.set([this](App& b) -> Result<std::unique_ptr<InstanceStreams>> {
            TRY(b.context());
            return std::make_unique<BorrowedStreams>(streams);
        });
        const auto api = [this](App& b) {
            return std::make_unique<kube::Api>(cluster.transport(), b.clock(), &b.cancel());
        };
        a.settings_slot.set([api](App& b) -> Result<std::unique_ptr<ServiceSettings>> {
            TRY(b.context());
            return kubernetes::make_settings(api(b), "production", "fake-local", "salt");
        });
        a.endpoints_slot.set([api](App& b) -> Result<std::unique_ptr<Endpoints>> {
            TRY(b.context());
            return kubernetes::make_endpoints(api(b), "production");
        });
        a.volumes_slot.set([api](App& b) -> Result<std::unique_ptr<Volumes>> {
            TRY(b.context());
            return kubernetes::make_volumes(api(b), "production", "fake-local");
        });
        a.certificates_slot.set([api](App& b) -> Result<std::unique_ptr<Certificates>> {
            TRY(b.context());
            return kubernetes::make_certificates(api(b), "production", "fake-local");
        });
        a.releases_slot.set([this](App& b) -> Result<std::unique_ptr<Releases>> {
            TRY(b.context());
            return std::make_unique<BorrowedReleases>(releases);
        });
        a.redis_slot.set([this](App& b) -> Result<std::unique_ptr<RedisServers>> {
            TRY(b.context());
            return redis.servers();
        });
        a.local_slot.set([](App& b) -> Result<std::unique_ptr<local::LocalStack>> {
            return local::make_local_stack([&b] { return b.http(); });
        });
        a.operations_slot.set([this](App& b) -> Result<std::unique_ptr<Operations>> {
            auto operations = std::make_unique<Operations>(b);
            operations->add_target("agent", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(Agents * found, c.agents());
                return std::make_unique<ControlTarget>(*found, c.clock(), Duration{0}, false, &c.cancel());
            });
            operations->add_target("agent-and-file", [this](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(Agents * found, c.agents());
                auto control =
                    std::make_unique<ControlTarget>(*found, c.clock(), Duration{0}, false, &c.cancel());
                return std::make_unique<PersistTarget>(
                    std::move(control), *found, c.clock(),
                    ConfigFile(make_config_in_file(agents.config_file, app.home() / "file-keys.json")),
                    &c.cancel());
            });
            operations->add_target("instances", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY(c.context());
                return std::make_unique<ops::OnceTarget>("instances", "fake-local");
            });
            operations->add_target("local", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(Orchestrator * found, c.orchestrator());
                return std::make_unique<ops::WorkloadTarget>(*found, "fake-local", ops::InstanceProbe{},
                                                             &c.cancel());
            });
            operations->add_target("settings", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(ServiceSettings * found, c.settings());
                return std::make_unique<SettingsTarget>(*found, c.clock());
            });
            operations->add_target("releases", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(Releases * found, c.releases());
                return std::make_unique<ops::ReleaseTarget>(*found);
            });
            operations->add_target("volumes", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(Volumes * found, c.volumes());
                return std::make_unique<ops::VolumeTarget>(*found);
            });
            operations->add_target("certificates", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(Certificates * found, c.certificates());
                return std::make_unique<ops::CertificateTarget>(*found);
            });
            operations->add_target("redis", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(RedisServers * found, c.redis());
                return std::make_unique<ops::RedisTarget>(*found, c.clock(), c.cancel(),
                                                          std::make_unique<ops::NullProgress>());
            });
            if (crash)
                operations->set_crash_points(crash());
            return operations;
        });
        if (more)
            more(a);
    }

    TestApp app;
    FakeAgents agents{app.clock, 2};
    FakeOrchestrator orchestrator;
    FakeStreams streams;
    FakeRedisStore redis;
    FakeCluster cluster;
    FakeWorkloads deployments{cluster, "production"};
    std::function<std::optional<Result<kube::Answer>>(const kube::Call&)> cluster_fault;
    FakeReleases releases;
    std::function<std::unique_ptr<ops::CrashPoints>()> crash;
    std::function<void(App&)> more;
};

} // namespace conduit::test
