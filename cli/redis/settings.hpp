// SPDX-License-Identifier: Apache-2.0
// What CONFIG GET may show, and what else is made of flat answers.
#pragma once

#include "cli/backend/redis.hpp"

#include <map>
#include <string>
#include <vector>

namespace conduit::redis {

bool is_secret_setting(std::string_view name); // "requirepass", "masterauth", "tls-key-file-pass"

// Secrets are "(set)" or "". In the server's order of names.
Result<std::map<std::string, std::string>> read_settings(RedisSession& server, const std::string& pattern,
                                                         Deadline deadline);
// One setting; not_found when this server has none of that name.
Result<std::string> read_setting(RedisSession& server, const std::string& name, Deadline deadline);

// A line of CLIENT LIST: "id=3 addr=127.0.0.1:52555 name= age=8 ...".
using Client = std::map<std::string, std::string, std::less<>>;
std::vector<Client> parse_clients(std::string_view text);

} // namespace conduit::redis
