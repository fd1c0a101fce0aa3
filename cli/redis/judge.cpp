// SPDX-License-Identifier: Apache-2.0
// Is this one Cluster? Decided from the views of all nodes, since a single one cannot know.
#include "cli/redis/nodes.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace conduit::redis {
namespace {

using Owners = std::set<std::string>; // ids

class Judge {
  public:
    explicit Judge(const std::vector<ClusterView>& views)
    {
        for (const auto& view : views)
            if (view.error.empty())
                answering_.push_back(&view);
            else
                silent_.push_back(&view);
        for (const auto* view : answering_)
            for (const auto& node : view->nodes)
                if (auto& name = names_[node.id]; name.empty() || node.myself)
                    name = node.address.empty() ? node.id.substr(0, 8) : node.address;
    }

    ClusterVerdict verdict()
    {
        count_slots();
        find_claims();
        find_disagreement();
        find_strangers();
        find_roles();
        find_broken();
        find_small();
        const bool split = std::ranges::any_of(out_.findings, &ClusterFinding::split);
        const bool bad = std::ranges::any_of(out_.findings, &ClusterFinding::bad);
        out_.state = split ? "split" : bad ? "degraded" : "ok";
        std::ranges::stable_sort(out_.findings, {}, [](const ClusterFinding& one) {
            return one.split ? 0 : one.bad ? 1 : 2;
        });
        return std::move(out_);
    }

  private:
    void say(std::string what, bool split = false)
    {
        out_.findings.push_back({true, split, std::move(what)});
    }
    void note(std::string what) { out_.findings.push_back({false, false, std::move(what)}); }
    std::string name(const std::string& id) const
    {
        const auto found = names_.find(id);
        return found == names_.end() ? id.substr(0, 8) : found->second;
    }
    std::string names(const Owners& ids) const
    {
        std::vector<std::string> out;
        for (const auto& id : ids)
            out.push_back(name(id));
        return join(out, " and ");
    }

    // Says it once for each stretch of slots with the same owners.
    template <class Say> void by_stretch(const std::vector<Owners>& owners, const Say& told) const
    {
        for (std::size_t from = 0; from < k_slots;) {
            auto to = from;
            while (to + 1 < k_slots && owners[to + 1] == owners[from])
                ++to;
            told(owners[from],
                 from == to ? fmt::format("slot {}", from) : fmt::format("slots {}-{}", from, to));
            from = to + 1;
        }
    }

    void count_slots()
    {
        std::vector<Owners> owners(k_slots);
        Owners masters, replicas;
        for (const auto* view : answering_)
            for (const auto& node : view->nodes) {
                if (!node.master.empty())
                    replicas.insert(node.id);
                if (node.slots.empty())
                    continue;
                masters.insert(node.id);
                for (const auto& range : node.slots)
                    for (std::size_t slot = range.first; slot <= range.last; ++slot)
                        owners[slot].insert(node.id);
            }
        out_.masters = static_cast<int>(masters.size());
        out_.replicas = static_cast<int>(
            std::ranges::count_if(replicas, [&](const auto& id) { return !masters.contains(id); }));
        out_.covered =
            static_cast<int>(std::ranges::count_if(owners, [](const Owners& o) { return o.size() == 1; }));
        by_stretch(owners, [&](const Owners& who, const std::string& where) {
            if (who.empty())
                say(fmt::format("nobody has {}", where));
        });
        std::size_t reached = 0;
        for (const auto* view : answering_)
            reached += masters.contains(view->id) ? 1U : 0U;
        if (reached * 2 <= masters.size())
            say(fmt::format("{} of {} masters answer: no majority", reached, masters.size()));
    }

    void find_claims()
    {
        std::vector<Owners> claims(k_slots);
        for (const auto* view : answering_)
            for (const auto& range : view->self()->slots)
                for (std::size_t slot = range.first; slot <= range.last; ++slot)
                    claims[slot].insert(view->id);
        by_stretch(claims, [&](const Owners& who, const std::string& where) {
            if (who.size() > 1)
                say(fmt::format("{} each believe to own {}", names(who), where), true);
        });
    }

    void find_disagreement()
    {
        std::vector<Owners> owners(k_slots);
        for (const auto* view : answering_) {
            std::vector<const std::string*> of(k_slots, &k_nobody_);
            for (const auto& node : view->nodes)
                for (const auto& range : node.slots)
                    for (std::size_t slot = range.first; slot <= range.last; ++slot)
                        of[slot] = &node.id;
            for (std::size_t slot = 0; slot < k_slots; ++slot)
                owners[slot].insert(*of[slot]);
        }
        by_stretch(owners, [&](const Owners& who, const std::string& where) {
            if (who.size() > 1)
                say(fmt::format("the nodes do not agree who has {}: {}", where, names(who)), true);
        });
    }

    void find_strangers()
    {
        for (const auto* view : answering_)
            for (const auto* other : answering_)
                if (view->find(other->id) == nullptr)
                    say(fmt::format("{} does not know {}", view->address, other->address), true);
    }

    void find_roles()
    {
        for (const auto* view : answering_) {
            const auto* self = view->self();
            for (const auto* other : answering_) {
                const auto* seen = other->find(view->id);
                if (seen != nullptr && seen->master != self->master)
                    say(fmt::format("{} says it is {}, {} says it is {}", view->address, role(*self),
                                    other->address, role(*seen)),
                        !self->slots.empty() || !seen->slots.empty());
            }
        }
    }
    std::string role(const ClusterNode& node) const
    {
        return node.master.empty() ? "a master" : fmt::format("a replica of {}", name(node.master));
    }

    void find_broken()
    {
        for (const auto* view : silent_)
            say(fmt::format("{} does not answer: {}", view->address, view->error));
        std::map<std::string, std::vector<std::string>> failing; // what -> who says so
        for (const auto* view : answering_) {
            if (view->state != "ok")
                say(fmt::format("{} says the cluster's state is {}", view->address, view->state));
            if (view->role == "slave" && view->link != "up")
                say(fmt::format("{} has lost the link to its master", view->address));
            for (const auto& node : view->nodes) {
                for (const auto* flag : {"fail", "fail?", "noaddr", "handshake"})
                    if (node.has(flag))
                        failing[fmt::format("{} is {}", name(node.id), flag)].push_back(view->address);
                if (!node.moving.empty() && node.myself)
                    note(fmt::format("{} moves {} slots", view->address, node.moving.size()));
            }
        }
        for (const auto& [what, who] : failing)
            say(fmt::format("{}, by the word of {}", what,
                            who.size() == 1 ? who.front() : fmt::format("{} nodes", who.size())));
    }

    void find_small()
    {
        std::set<std::uint64_t> currents;
        std::map<std::uint64_t, Owners> epochs;
        std::map<std::string, int> followers;
        for (const auto* view : answering_) {
            currents.insert(view->current_epoch);
            const auto* self = view->self();
            if (!self->slots.empty()) {
                epochs[self->epoch].insert(view->id);
                followers.try_emplace(view->id, 0);
            } else if (!self->master.empty()) {
                ++followers[self->master];
            } else {
                note(fmt::format("{} is a master without slots", view->address));
            }
        }
        if (currents.size() > 1)
            note(fmt::format("the nodes are at {} different epochs", currents.size()));
        for (const auto& [epoch, who] : epochs)
            if (who.size() > 1)
                say(fmt::format("{} have the same epoch {}", names(who), epoch));
        for (const auto& [id, count] : followers)
            if (count == 0)
                note(fmt::format("{} has no replica", name(id)));
    }

    const std::string k_nobody_ = "nobody";
    std::vector<const ClusterView*> answering_, silent_;
    std::map<std::string, std::string> names_;
    ClusterVerdict out_;
};

} // namespace

ClusterVerdict judge(const std::vector<ClusterView>& views)
{
    return Judge(views).verdict();
}

} // namespace conduit::redis
