// SPDX-License-Identifier: Apache-2.0
// What the verbs about releases and capacity share.
#pragma once

#include "cli/commands/support.hpp"
#include "cli/orchestrator/releases.hpp"
#include "cli/targets/releases.hpp"
#include "cli/targets/workloads.hpp"

namespace conduit::commands {

inline constexpr Duration k_rollout_timeout{600'000};

Result<ops::WorkloadTarget*> workload_target(App& app); // of the context's orchestrator
Result<Report> change_release(App& app, ops::ReleaseChange change, ops::ChangeOptions options);
void workload_flag(Flags& flags, std::string& workload);

std::string setting(const std::string& workload, std::string_view rest); // "workloads/agent/paused"
// The container that is meant: the named one, else the only one. usage lists them.
Result<std::string> container_of(App& app, const std::string& workload, const std::string& named);
// Of this workload; nullopt: none, or the context is of no cluster.
Result<std::optional<Autoscaler>> autoscaler_of(App& app, const std::string& workload);

std::string images_text(const std::vector<std::pair<std::string, std::string>>& images);
std::string short_digest(const std::string& digest); // "sha256:1234567890ab"
Json status_json(const RolloutStatus& status);

// What is wrong with an image's name, before a cluster is asked: usage for what is none, refused for a
// placeholder.
Result<> check_image(const std::string& image);
bool is_pinned(const std::string& image); // by its digest
// "1024Mi" as the API server writes it: "1Gi". usage for what is no amount.
Result<std::string> canonical_quantity(std::string_view text);

// For `also` of reads that are refused where there is no cluster.
std::vector<ErrorKind> also_refused(std::vector<ErrorKind> more = {});
Result<Report> start_release(App& app, const std::string& verb, const std::string& workload,
                             const std::string& container, const std::string& image, bool rollback,
                             const ops::ChangeOptions& options);

} // namespace conduit::commands
