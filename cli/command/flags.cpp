// SPDX-License-Identifier: Apache-2.0
#include "cli/command/flags.hpp"

#include "cli/command/values.hpp"
#include "cli/ops/change_options.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit {

Flag& Flag::value(std::string_view text)
{
    value_name = text;
    return *this;
}
Flag& Flag::implies(std::string_view value)
{
    implied = value;
    return *this;
}
Flag& Flag::from_env(std::string_view variable)
{
    env = variable;
    return *this;
}
Flag& Flag::complete(const Completer& with)
{
    completer = with;
    return *this;
}
Flag& Flag::between(double low, double high)
{
    range = {low, high};
    return *this;
}
Flag& Flag::required()
{
    is_required = true;
    return *this;
}
Flag& Flag::optional()
{
    is_required = false;
    return *this;
}
Flag& Flag::hidden()
{
    is_hidden = true;
    return *this;
}

Flag& Flags::add(Flag::Kind kind, std::string_view names, FlagTarget target, std::string_view help)
{
    Flag& flag = flags_.emplace_back();
    flag.kind = kind;
    flag.help = help;
    flag.target = std::move(target);
    const auto comma = names.find(',');
    flag.name = names.substr(0, comma);
    if (comma != std::string_view::npos)
        flag.short_name = names.substr(comma + 1);
    if (flag.takes_value())
        flag.value_name = default_value_name(flag.target);
    flag.default_text = default_text(flag.target);
    return flag;
}

Flag& Flags::flag(std::string_view names, bool& value, std::string_view help)
{
    return add(Flag::Kind::flag, names, FlagTarget{&value}, help);
}

namespace {

Choice text_choice(std::string& value, std::vector<std::string> choices)
{
    Choice choice;
    choice.names = std::move(choices);
    choice.set = [&value, names = choice.names](std::size_t index) { value = names[index]; };
    choice.get = [&value] { return value; };
    return choice;
}

} // namespace

Flag& Flags::choice(std::string_view names, std::string& value, std::vector<std::string> choices,
                    std::string_view help)
{
    return add(Flag::Kind::option, names, FlagTarget{text_choice(value, std::move(choices))}, help);
}

Flag& Flags::arg_choice(std::string_view name, std::string& value, std::vector<std::string> choices,
                        std::string_view help)
{
    return add(Flag::Kind::argument, name, FlagTarget{text_choice(value, std::move(choices))}, help)
        .required();
}

Flag& Flags::rest(std::string_view name, std::vector<std::string>& value, std::string_view help)
{
    return add(Flag::Kind::rest, name, FlagTarget{&value}, help).value(name);
}

const Flag* Flags::find(std::string_view name) const
{
    const auto found = std::ranges::find_if(flags_, [&](const Flag& flag) {
        return flag.name == name || (!name.empty() && flag.short_name == name);
    });
    return found == flags_.end() ? nullptr : &*found;
}

void change_flags(Flags& flags, ops::ChangeOptions& change)
{
    flags.flag("--dry-run", change.dry_run, "Show the plan and change nothing");
    flags.flag("--check", change.check, "Only say whether the guards would allow it now: exit 0 or 3");
    flags.opt("--plan-out", change.plan_out, "Save the plan to a file and change nothing").value("FILE");
    flags.opt("--plan", change.plan_in, "Run exactly this saved plan, or stop when the world has moved")
        .value("FILE");
    flags.flag("--yes,-y", change.yes, "Do not ask; severe changes still need --confirm");
    flags.opt("--confirm", change.confirm, "Confirm a severe change by the target's name").value("NAME");
    flags.opt("--reason", change.reason, "Why, for the record").value("TEXT");
    flags.opt("--for", change.revert_after, "Take the change back after this long");
    flags.flag("--no-wait", change.no_wait, "Do not wait for the effect; ends with exit 11");
    flags.opt("--incident", change.incident, "The incident this belongs to").value("ID");
    flags.flag("--force", change.force, "Go past a guard; needs --reason");
}

} // namespace conduit
