// SPDX-License-Identifier: Apache-2.0
#include "core/kube/lease_time.hpp"

#include <ctime>

namespace conduit::kube {

std::string micro_time(WallTime time)
{
    auto text = format_time(time);
    return text.insert(text.size() - 1, "000");
}

Duration clock_ahead(const Answer& answer, WallTime now)
{
    std::tm parts{};
    if (::strptime(answer.header("date").c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr)
        return Duration{0};
    const WallTime server{std::chrono::seconds{::timegm(&parts)}};
    const auto off = std::chrono::duration_cast<Duration>(server - now);
    return off > Duration{-1500} && off < Duration{1500} ? Duration{0} : off;
}

} // namespace conduit::kube
