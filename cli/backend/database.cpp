// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/database.hpp"

#include "core/text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit {
namespace {

struct StateKind {
    std::string_view state; // a whole SQLSTATE, or a class
    ErrorKind kind;
};

constexpr std::array k_states{
    StateKind{"08P01", ErrorKind::failed},    StateKind{"08", ErrorKind::unreachable},
    StateKind{"22023", ErrorKind::usage},     StateKind{"25006", ErrorKind::refused},
    StateKind{"28", ErrorKind::auth},         StateKind{"3D000", ErrorKind::not_found},
    StateKind{"3F000", ErrorKind::not_found}, StateKind{"42501", ErrorKind::auth},
    StateKind{"42P01", ErrorKind::not_found}, StateKind{"42703", ErrorKind::not_found},
    StateKind{"42704", ErrorKind::not_found}, StateKind{"42883", ErrorKind::not_found},
    StateKind{"42", ErrorKind::usage},        StateKind{"53300", ErrorKind::unreachable},
    StateKind{"55P03", ErrorKind::locked},    StateKind{"57P03", ErrorKind::unreachable},
    StateKind{"57P0", ErrorKind::unknown}, // ended by the server: who knows how far it came
};

template <class Number> std::optional<Number> number_of(const std::string& text)
{
    Number out{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return out;
}

Json value_json(const SqlValue& value, std::uint32_t type)
{
    if (!value)
        return {};
    switch (type) {
    case 16:
        return *value == "t";
    case 20:
    case 21:
    case 23:
    case 26:
        if (const auto number = number_of<std::int64_t>(*value))
            return *number;
        break;
    case 700:
    case 701:
        if (const auto number = number_of<double>(*value); number && std::isfinite(*number))
            return *number;
        break;
    case 114:
    case 3802:
        if (const auto parsed = parse_json(*value))
            return *parsed;
        break;
    default:
        break;
    }
    return sanitize_utf8(*value);
}

} // namespace

SqlValue SqlResult::value(std::string_view column) const
{
    if (rows.size() != 1)
        return std::nullopt;
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (columns[i].name == column)
            return rows.front()[i];
    return std::nullopt;
}

ErrorKind kind_of_state(std::string_view sqlstate)
{
    for (const auto& [state, kind] : k_states)
        if (sqlstate.starts_with(state))
            return kind;
    return ErrorKind::failed;
}

std::string sql_state(const Error& error)
{
    const auto found = error.details.find("sqlstate");
    return found == error.details.end() ? std::string() : found->second;
}

std::string sql_name(std::string_view name)
{
    return '"' + replace_all(std::string(name), "\"", "\"\"") + '"';
}

std::string sql_literal(std::string_view text)
{
    // E'' reads backslashes the same whatever standard_conforming_strings says.
    return "E'" + replace_all(replace_all(std::string(text), "\\", "\\\\"), "'", "''") + "'";
}

std::vector<std::string> sql_names(const SqlResult& result)
{
    std::vector<std::string> names;
    std::set<std::string> taken;
    for (const auto& column : result.columns) {
        auto name = sanitize_utf8(column.name);
        for (int n = 2; !taken.insert(name).second; ++n)
            name = fmt::format("{}_{}", sanitize_utf8(column.name), n);
        names.push_back(std::move(name));
    }
    return names;
}

Json sql_items(const SqlResult& result)
{
    const auto names = sql_names(result);
    Json items = Json::array();
    for (const auto& row : result.rows) {
        Json item = Json::object();
        for (std::size_t i = 0; i < row.size() && i < names.size(); ++i)
            item[names[i]] = value_json(row[i], result.columns[i].type);
        items.push_back(std::move(item));
    }
    return items;
}

Result<SqlTransaction> SqlTransaction::begin(Database& database, std::string_view mode, Deadline deadline)
{
    TRY(database.run({.text = fmt::format("BEGIN {}", mode)}, deadline));
    return SqlTransaction(database);
}

SqlTransaction::~SqlTransaction()
{
    if (database_ != nullptr) // else the end of the connection rolls it back
        (void)database_->run({.text = "ROLLBACK"}, Deadline(5s)).has_value();
}

Result<> SqlTransaction::commit(Deadline deadline)
{
    auto* database = std::exchange(database_, nullptr);
    TRY(database->run({.text = "COMMIT"}, deadline));
    return {};
}

} // namespace conduit
