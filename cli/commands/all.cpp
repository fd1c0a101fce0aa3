// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"

namespace conduit::commands {

Registry all()
{
    using Make = Noun (*)();
    // The order of --help inside a group. One a line, so that additions merge.
    constexpr Make nouns[] = {
        context, local, doctor, version, ps, logs, top, commands, completion, docs, help,
    };
    Registry registry;
    registry.reserve(std::size(nouns));
    for (const Make make : nouns)
        registry.push_back(make());
    return registry;
}

} // namespace conduit::commands
