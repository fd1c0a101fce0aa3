// SPDX-License-Identifier: Apache-2.0
// The words for actions on Redis, as plans and journals have them. Internal to this folder.
#pragma once

namespace conduit::ops {

inline constexpr const char* k_clear = "redis-clear";
inline constexpr const char* k_flush = "redis-flush";
inline constexpr const char* k_save = "redis-save";
inline constexpr const char* k_failover = "redis-cluster-failover";
inline constexpr const char* k_sentinel = "redis-failover";
inline constexpr const char* k_rejoin = "redis-cluster-rejoin";

} // namespace conduit::ops
