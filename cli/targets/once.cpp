// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/once.hpp"

#include <fmt/format.h>

namespace conduit::ops {

Result<FieldMap> OnceTarget::observe(std::span<const std::string> paths, Deadline /*deadline*/)
{
    FieldMap fields;
    for (const auto& path : paths)
        return fail(ErrorKind::internal, fmt::format("instances have no field '{}'", path));
    return fields;
}

Result<Applied> OnceTarget::apply(const WriteContext& context, const Step& step)
{
    if (!act_)
        return fail(ErrorKind::refused, fmt::format("{} cannot be done again by its record", step.summary),
                    "Type the command itself again, when it may run twice.");
    if (!same_json(*step.arguments, *arguments_)) // of a plan that was saved
        return fail(ErrorKind::usage, fmt::format("the plan is for '{}', not for this command", step.summary),
                    "Give the command line the plan was made with.");
    const auto act = std::exchange(act_, {});
    return act(context);
}

Result<std::optional<Applied>> OnceTarget::find(const StepKey& /*key*/, const Step& /*step*/,
                                                Deadline /*deadline*/)
{
    return std::optional<Applied>{};
}

Result<> OnceTarget::verify(const Step& /*step*/, const Applied& /*applied*/, Deadline /*deadline*/,
                            Progress& /*progress*/)
{
    return {}; // it was seen while it was done, or cannot be seen (Step::verifiable)
}

bool OnceTarget::keyed(const Step& /*step*/) const
{
    return false;
}

} // namespace conduit::ops
