// SPDX-License-Identifier: Apache-2.0
// What operators did to a namespace, kept in it: a ConfigMap an operation, with the lines of its journal and,
// where it was made for a while, when it is to be taken back. So another engineer can undo it, and
// `reversals serve` can when the first one's laptop is closed. See docs/decisions/0012.
#pragma once

#include "cli/ops/journal.hpp"
#include "cli/ops/reversal.hpp"
#include "core/kube/api.hpp"

#include <functional>
#include <optional>
#include <string>

namespace conduit {

class ClusterRecords final : public ops::JournalMirror, public ops::ReversalStore {
  public:
    struct Place {
        kube::Api* api = nullptr;
        std::string name_space;
    };
    using Reach = std::function<Result<Place>()>; // asked when something is to be read or written

    explicit ClusterRecords(Reach reach) : reach_(std::move(reach)) {}

    // Of operations that began: plans, rehearsals and refusals stay with who made them. Once the cluster
    // cannot be written, no more is tried in this run.
    Result<> append(const ops::Entry& entry, std::string_view line) override;
    Result<std::vector<ops::Entry>> read(std::string_view id_prefix, std::size_t limit) override;

    Result<> add(const ops::Reversal& reversal) override;
    Result<> remove(const std::string& operation) override;
    Result<std::vector<ops::Reversal>> list() override;
    bool answered() override; // by a Lease, in the API server's time
    Result<> beat() override; // written every 30 s, however often it is called

    // Removes what ended longer ago than 30 days, and of the rest what is older than the newest 200. Nothing
    // that is still to be taken back.
    Result<> prune();

  private:
    Result<> put(const std::string& operation, const Json& patch);

    Reach reach_;
    std::optional<Error> given_up_;
    std::optional<SteadyTime> beaten_;
};

} // namespace conduit
