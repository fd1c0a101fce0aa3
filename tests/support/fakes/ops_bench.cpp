// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>

namespace conduit::test {

ops::Intent OpsBench::intent(const std::string& path, Json value, const std::string& resource)
{
    ops::Intent out;
    out.target = &target;
    out.verb = "provider set";
    out.scope = "providers";
    out.summary = "set " + path;
    out.confirm_name = "openai";
    out.steps = {step(path, std::move(value), resource)};
    return out;
}

ops::Step OpsBench::step(const std::string& path, Json value, const std::string& resource)
{
    ops::Step out;
    out.resource = resource;
    out.fields = {{path, {}, std::move(value), {}, {}, false}};
    return out;
}

} // namespace conduit::test
