// SPDX-License-Identifier: Apache-2.0
#include "core/http.hpp"

#include "core/text.hpp"

namespace conduit {

std::string HttpResponse::header(std::string_view name) const
{
    for (const auto& [key, value] : headers)
        if (iequals(key, name))
            return value;
    return {};
}

} // namespace conduit
