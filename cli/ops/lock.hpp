// SPDX-License-Identifier: Apache-2.0
// Locks over a guard's scope, so that two operators cannot each pass a guard that both together break.
#pragma once

#include "core/clock.hpp"
#include "core/fs.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace conduit::ops {

struct LockKey {
    std::string target;       // Target::identity()
    std::string scope;        // Plan::scope
    std::string text() const; // "target scope"
};

struct LockOwner {
    std::string operator_name;
    std::string host;
    int pid = 0;
    std::string reason;
    std::string operation;
    WallTime since;
    WallTime until; // no later than this, unless it is renewed
};

struct LockInfo {
    LockKey key;
    LockOwner owner;
};

class Lock { // freed by destruction
  public:
    virtual ~Lock() = default;
    // locked when somebody else has it now, or when less time than needed is left.
    virtual Result<> still_held(Duration needed) = 0;
    virtual std::uint64_t fence() const = 0; // grows with each holder
};

class LockStore {
  public:
    virtual ~LockStore() = default;
    virtual Result<std::unique_ptr<Lock>> acquire(const LockKey& key, const LockOwner& owner) = 0;
    virtual Result<std::vector<LockInfo>> list() = 0; // held ones only
    virtual Result<std::vector<LockKey>> known() = 0; // that ever were held here
    // Takes a lock away from its holder: true. false: nobody held it. refused: this kind cannot be stolen.
    virtual Result<bool> steal(const LockKey& key) = 0;
};

// flock and an owner file beside it, for one host. The lock is freed by its process' death, so an owner file
// may outlive its holder; it is believed only while that process lives.
class FlockStore final : public LockStore {
  public:
    FlockStore(fs::path folder, Clock& clock) : folder_(std::move(folder)), clock_(clock) {}
    Result<std::unique_ptr<Lock>> acquire(const LockKey& key, const LockOwner& owner) override;
    Result<std::vector<LockInfo>> list() override;
    Result<std::vector<LockKey>> known() override;
    Result<bool> steal(const LockKey& key) override;

  private:
    fs::path folder_;
    Clock& clock_;
};

Error locked_error(const LockInfo& holder); // who, why, since when, until when

} // namespace conduit::ops
