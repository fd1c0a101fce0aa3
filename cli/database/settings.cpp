// SPDX-License-Identifier: Apache-2.0
#include "cli/database/settings.hpp"

#include "cli/database/objects.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sql {
namespace {

constexpr std::string_view k_setting =
    "SELECT s.name, s.setting, COALESCE(s.unit, '') AS unit, s.context, s.vartype, COALESCE(s.min_val, '') "
    "AS min, "
    "COALESCE(s.max_val, '') AS max, COALESCE(to_jsonb(s.enumvals), '[]') AS choices, s.source, "
    "COALESCE(s.sourcefile LIKE '%/postgresql.auto.conf', false) AS ours, s.pending_restart, "
    "f.setting AS written, COALESCE(f.applied, false) AS applied, COALESCE(f.error, '') AS error "
    "FROM pg_settings s LEFT JOIN pg_file_settings f ON lower(f.name) = lower(s.name) AND f.sourcefile LIKE "
    "'%/postgresql.auto.conf' WHERE lower(s.name) = lower($1)";

// Each of these is a list whose elements are quoted one by one: one literal with commas would be one element.
constexpr std::array<std::string_view, 6> k_lists{"local_preload_libraries",   "search_path",
                                                  "session_preload_libraries", "shared_preload_libraries",
                                                  "temp_tablespaces",          "unix_socket_directories"};

bool is_list(const std::string& name)
{
    return std::ranges::find(k_lists, name) != k_lists.end();
}

// "a, \"B c\"" -> a | B c
std::vector<std::string> elements(std::string_view text)
{
    std::vector<std::string> out;
    std::string one;
    bool quoted = false;
    for (const char c : text) {
        if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted) {
            out.emplace_back(trim(one));
            one.clear();
        } else
            one += c;
    }
    if (!trim(one).empty() || !out.empty())
        out.emplace_back(trim(one));
    return out;
}

struct Number {
    double value = 0;
    std::string unit;
};

std::optional<Number> parse_number(std::string_view text)
{
    Number out;
    text = trim(text);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.value);
    if (error != std::errc{})
        return std::nullopt;
    out.unit = trim(text.substr(static_cast<std::size_t>(end - text.data())));
    return out;
}

// How many of the smallest unit: bytes, or microseconds. nullopt: no unit of PostgreSQL's.
std::optional<double> scale_of(std::string_view unit)
{
    static constexpr std::array<std::pair<std::string_view, double>, 13> k_units{{{"B", 1},
                                                                                  {"kB", 1024},
                                                                                  {"8kB", 8192},
                                                                                  {"MB", 1048576},
                                                                                  {"16MB", 16777216},
                                                                                  {"GB", 1073741824},
                                                                                  {"TB", 1099511627776},
                                                                                  {"us", 1},
                                                                                  {"ms", 1e3},
                                                                                  {"s", 1e6},
                                                                                  {"min", 6e7},
                                                                                  {"h", 3.6e9},
                                                                                  {"d", 8.64e10}}};
    const auto* found = std::ranges::find(k_units, unit, &std::pair<std::string_view, double>::first);
    return found == k_units.end() ? std::nullopt : std::optional(found->second);
}

Result<> bad_value(const Setting& setting, const std::string& value, const std::string& wanted)
{
    return fail(ErrorKind::usage, fmt::format("{} cannot be '{}'", setting.name, printable(value)),
                fmt::format("It takes {}.", wanted));
}

Result<> check_number(const Setting& setting, const std::string& value)
{
    const auto range = fmt::format(
        "{} from {} to {}{}", setting.type == "real" ? "a number" : "a whole number", setting.min,
        setting.max,
        setting.unit.empty() ? "" : fmt::format(" (of {}), or an amount with its unit", setting.unit));
    const auto number = parse_number(value);
    if (!number)
        return bad_value(setting, value, range);
    double amount = number->value;
    if (!number->unit.empty()) {
        const auto given = scale_of(number->unit), base = scale_of(setting.unit);
        if (!given || !base)
            return bad_value(setting, value, range);
        amount = amount * *given / *base;
    }
    const auto low = parse_number(setting.min), high = parse_number(setting.max);
    if ((low && amount < low->value) || (high && amount > high->value))
        return bad_value(setting, value, range);
    return {};
}

} // namespace

Result<Setting> read_setting(Database& database, const std::string& name, Deadline deadline)
{
    auto read = database.run(request("setting", k_setting, {name}), deadline);
    if (!read && read.error().kind == ErrorKind::auth)
        return std::move(read).error().with_hint(
            "Only a superuser sees and writes them: conduitctl context set postgres.user NAME");
    TRY_ASSIGN(const auto result, std::move(read));
    if (result.rows.empty()) {
        TRY_ASSIGN(const auto all,
                   database.run(request("settings", "SELECT name FROM pg_settings"), deadline));
        std::vector<std::string> names;
        for (const auto& row : all.rows)
            names.push_back(row.front().value_or(""));
        return fail(ErrorKind::not_found, unknown_name("setting", printable(name), names),
                    "List them: conduitctl db query \"SELECT name, setting FROM pg_settings\"");
    }
    const auto text = [&](std::string_view column) { return result.value(column).value_or(""); };
    Setting out{.name = text("name"),
                .value = text("setting"),
                .unit = text("unit"),
                .context = text("context"),
                .type = text("vartype"),
                .min = text("min"),
                .max = text("max"),
                .choices = {},
                .source = text("source"),
                .of_our_file = text("ours") == "t",
                .pending_restart = text("pending_restart") == "t",
                .written = result.value("written"),
                .applied = text("applied") == "t",
                .error = text("error")};
    if (out.name.empty() || out.context.empty())
        return fail(ErrorKind::unknown, fmt::format("setting {} cannot be read", printable(name)));
    if (const auto choices = parse_json(text("choices")); choices && choices->is_array())
        for (const auto& choice : *choices)
            out.choices.push_back(choice.is_string() ? choice.get<std::string>() : dump_json(choice));
    return out;
}

Result<> check_value(const Setting& setting, const std::string& value)
{
    if (setting.context == "internal")
        return fail(ErrorKind::refused,
                    fmt::format("{} was fixed when the server was built or made", setting.name));
    if (value.contains('\n') || value.contains('\r') || value.contains('\0'))
        return fail(ErrorKind::usage, fmt::format("the value of {} has a line break", setting.name));
    if (setting.type == "bool") {
        static constexpr std::array<std::string_view, 10> k_bools{"on", "off", "true", "false", "yes",
                                                                  "no", "1",   "0",    "t",     "f"};
        if (std::ranges::find(k_bools, to_lower(value)) == k_bools.end())
            return bad_value(setting, value, "on or off");
    } else if (setting.type == "enum") {
        if (std::ranges::none_of(setting.choices, [&](const auto& choice) { return iequals(choice, value); }))
            return bad_value(setting, value, join(setting.choices, ", "));
    } else if (setting.type == "integer" || setting.type == "real") {
        return check_number(setting, value);
    }
    return {};
}

Result<std::string> kept_form(Database& database, const Setting& setting, const std::string& value,
                              Deadline deadline)
{
    if (!is_list(setting.name))
        return value;
    std::string out;
    for (const auto& one : elements(value)) {
        TRY_ASSIGN(const auto quoted,
                   database.run(request("quote", "SELECT quote_ident($1) AS q", {one}), deadline));
        out += (out.empty() ? "" : ", ") + quoted.value("q").value_or("");
    }
    return out;
}

Result<> write_setting(Database& database, const Setting& setting, const SqlValue& value,
                       const std::function<void()>& sent, Deadline deadline)
{
    auto text = fmt::format("ALTER SYSTEM RESET {}", setting.name);
    if (value) {
        std::string literals;
        for (const auto& one : is_list(setting.name) ? elements(*value) : std::vector<std::string>{*value})
            literals += (literals.empty() ? "" : ", ") + sql_literal(one);
        text = fmt::format("ALTER SYSTEM SET {} = {}", setting.name, literals.empty() ? "''" : literals);
    }
    auto write = request("alter-system", text);
    write.sent = sent;
    TRY(database.run(write, deadline));
    auto reloaded = database.run(request("reload", "SELECT pg_reload_conf() AS done"), deadline);
    if (!reloaded)
        return fail(ErrorKind::unknown,
                    fmt::format("{} is written, but the server was not told to read it: {}", setting.name,
                                reloaded.error().message));
    return {};
}

} // namespace conduit::sql
