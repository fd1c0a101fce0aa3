// SPDX-License-Identifier: Apache-2.0
// Secrets by reference. A Secret has no formatter, no comparison and no stream operator: text that shows one
// does not compile. Its memory is wiped when it goes.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace conduit {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    Secret(const Secret&) = default;
    Secret& operator=(const Secret& other);
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    ~Secret() { wipe(); }

    bool empty() const { return value_.empty(); }
    std::size_t size() const { return value_.size(); }
    const std::string& reveal() const { return value_; } // only to hand it to the one who checks it
    std::string fingerprint() const;                     // "sha256:3f9a1c04", may be shown

  private:
    void wipe();
    std::string value_;
};

// Where a secret lives: "file:~/x", "env:NAME", "command:pass show x", "kubernetes:ns/secret/key".
struct SecretRef {
    enum class Source { none, file, env, command, kubernetes };
    Source source = Source::none;
    std::string location;
    bool set() const { return source != Source::none; }
    std::string str() const; // "file:~/x", safe to show
};
// usage error for text without a known prefix: it may be the secret itself, so it is not repeated.
Result<SecretRef> parse_secret_ref(std::string_view text);

struct SecretAccess {
    std::string home;
    const std::map<std::string, std::string, std::less<>>* env = nullptr;
    // Reads a key of a Kubernetes Secret; unset where no cluster can be reached.
    std::function<Result<std::string>(const std::string& location)> kubernetes;
};
// A trailing line break is not part of the secret. Files others may read are refused.
Result<Secret> resolve_secret(const SecretRef& ref, const SecretAccess& access, Deadline deadline);

} // namespace conduit
