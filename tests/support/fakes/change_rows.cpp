// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/change_rows.hpp"

namespace conduit::test {

const std::vector<ChangeRow>& change_rows()
{
    static const Words disable{"provider", "disable", "openai", "-y"};
    static const std::vector<ChangeRow> rows{
        {.verb = "restart", .words = {"restart", "-y"}, .reversible = false},
        {.verb = "scale to", .words = {"scale", "to", "4", "-y"}},
        {.verb = "scale up", .words = {"scale", "up", "-y"}},
        {.verb = "scale down", .words = {"scale", "down", "-y"}},
        {.verb = "scale max", .words = {"scale", "max", "-y"}},
        {.verb = "provider disable", .words = disable},
        {.verb = "provider enable",
         .words = {"provider", "enable", "openai", "-y"},
         .before = {disable},
         .cannot_fail = true},
        {.verb = "provider disable",
         .words = {"provider", "disable", "openai", "-y", "--persist"},
         .steps = 2,
         .variant = true},
        {.verb = "provider weight", .words = {"provider", "weight", "openai=50", "google=40", "-y"}},
        {.verb = "provider redistribute", .words = {"provider", "redistribute", "--exclude", "openai", "-y"}},
        {.verb = "provider set", .words = {"provider", "set", "openai", "--request-timeout", "90s"}},
        {.verb = "provider endpoint",
         .words = {"provider", "endpoint", "openai", "eu=https://eu.example", "--use", "eu", "-y"}},
        {.verb = "circuit reset", .words = {"circuit", "reset", "openai"}, .reversible = false},
        {.verb = "cache clear", .words = {"cache", "clear", "audio:tts:", "-y"}, .reversible = false},
        {.verb = "cache ttl", .words = {"cache", "ttl", "speech", "2h"}},
        {.verb = "cache set", .words = {"cache", "set", "--max-size", "1Gi"}},
        {.verb = "pool reset", .words = {"pool", "reset"}, .reversible = false},
        {.verb = "pool set", .words = {"pool", "set", "--connect-timeout", "10s"}},
        {.verb = "limit set", .words = {"limit", "set", "--per-key", "50/s", "-y"}},
        {.verb = "limit emergency", .words = {"limit", "emergency", "--rpm", "100", "-y"}},
        {.verb = "limit off",
         .words = {"limit", "off", "-y"},
         .before = {{"limit", "emergency", "--rpm", "100", "-y"}},
         .cannot_fail = true},
        {.verb = "safety emergency", .words = {"safety", "emergency", "on", "-y"}},
        {.verb = "config set", .words = {"config", "set", "providers/openai/weight", "50", "-y"}},
        {.verb = "config unset",
         .words = {"config", "unset", "providers/openai/weight", "-y"},
         .before = {{"config", "set", "providers/openai/weight", "50", "-y"}},
         .cannot_fail = true},
        {.verb = "config apply", .words = {"config", "apply", "FILE", "-y"}},
        {.verb = "blocklist add", .words = {"blocklist", "add", "team-a", "-y", "--for", "24h"}},
        {.verb = "blocklist rm",
         .words = {"blocklist", "rm", "team-a", "-y"},
         .before = {{"blocklist", "add", "team-a", "-y"}},
         .cannot_fail = true},
        {.verb = "undo", .words = {"undo", "ID", "-y"}, .before = {disable}, .cannot_fail = true},
    };
    return rows;
}

} // namespace conduit::test
