// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provider.hpp"

#include "cli/commands/all.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>
#include <numeric>

namespace conduit::commands {

std::vector<int> normalised(const std::vector<double>& weights)
{
    std::vector<int> shares(weights.size(), 0);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    if (sum <= 0)
        return shares;
    std::vector<std::pair<double, std::size_t>> remainders;
    int given = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double exact = weights[i] * 100 / sum;
        shares[i] = static_cast<int>(std::floor(exact));
        given += shares[i];
        remainders.emplace_back(exact - std::floor(exact), i);
    }
    std::ranges::stable_sort(remainders, std::greater<>{}, &std::pair<double, std::size_t>::first);
    for (std::size_t k = 0; given < 100; ++k, ++given)
        ++shares[remainders[k % remainders.size()].second];
    return shares;
}

std::string traffic_line(const std::vector<std::string>& names, const std::vector<double>& before,
                         const std::vector<double>& after)
{
    const auto old_shares = normalised(before);
    const auto new_shares = normalised(after);
    std::string line;
    for (std::size_t i = 0; i < names.size(); ++i)
        line +=
            fmt::format("{}{} {} → {} %", line.empty() ? "" : "   ", names[i], old_shares[i], new_shares[i]);
    return line;
}

Noun provider()
{
    Noun noun{.name = "provider",
              .summary = "See and steer the providers behind the router",
              .group = Group::routing};
    for (auto verbs :
         {provider_read_verbs(), provider_switch_verbs(), provider_weight_verbs(), provider_setting_verbs()})
        std::ranges::move(verbs, std::back_inserter(noun.verbs));
    return noun;
}

} // namespace conduit::commands
