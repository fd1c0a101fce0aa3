// SPDX-License-Identifier: Apache-2.0
#include "cli/command/render.hpp"

#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

constexpr std::string_view k_red = "\033[31m";
constexpr std::string_view k_bold = "\033[1m";
constexpr std::string_view k_plain = "\033[0m";
constexpr std::size_t k_gap = 2;

std::string paint(std::string_view text, std::string_view code, bool colour)
{
    return colour ? fmt::format("{}{}{}", code, text, k_plain) : std::string(text);
}

// Columns on a terminal: UTF-8 continuation bytes take no place.
std::size_t display_width(std::string_view text)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

const Json* walk(const Json& item, std::string_view path)
{
    if (const Json* direct = json_find(item, path)) // a name with a dot in it
        return direct;
    const Json* at = &item;
    for (const std::string& key : split(path, '.')) {
        at = json_find(*at, key);
        if (at == nullptr)
            return nullptr;
    }
    return at;
}

std::string scalar_text(const Json& value)
{
    if (value.is_null())
        return "-";
    if (value.is_string())
        return printable(value.get_ref<const std::string&>());
    if (value.is_boolean())
        return value.get<bool>() ? "yes" : "no";
    if (value.is_array()) {
        std::vector<std::string> parts;
        for (const Json& part : value)
            parts.push_back(scalar_text(part));
        return parts.empty() ? "-" : join(parts, ",");
    }
    return value.is_object() ? printable(dump_json(value)) : dump_json(value);
}

std::string age_text(const Json& value, WallTime now)
{
    if (value.is_number())
        return human_duration(Duration(static_cast<std::int64_t>(value.get<double>() * 1000)));
    const auto time = parse_time(value.get_ref<const std::string&>());
    if (!time)
        return printable(value.get_ref<const std::string&>());
    auto age =
        std::chrono::duration_cast<std::chrono::seconds>(std::max(now - *time, Duration::zero())).count();
    if (age < 120)
        return fmt::format("{}s", age);
    if (age < 7200)
        return fmt::format("{}m", age / 60);
    return age < 172'800 ? fmt::format("{}h", age / 3600) : fmt::format("{}d", age / 86'400);
}

using Table = std::vector<std::vector<std::string>>;

std::string layout(const Table& rows, const std::vector<const Column*>& columns, bool colour)
{
    std::vector<std::size_t> widths(columns.size());
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], display_width(row[i]));
    std::string text;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        std::string line;
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const std::string pad(widths[i] - display_width(rows[r][i]), ' ');
            const bool right = columns[i]->align == Column::Align::right;
            line += right ? pad + rows[r][i] : rows[r][i] + pad;
            line.append(i + 1 < columns.size() ? k_gap : 0, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += (r == 0 ? paint(line, k_bold, colour) : line) + "\n";
    }
    return text;
}

std::string render_table(const Json& items, const Report& report, const RenderOptions& options)
{
    if (items.empty())
        return {};
    std::vector<const Column*> columns;
    Table rows(1);
    for (const Column& column : report.columns)
        if (!column.wide_only || options.format == OutputFormat::wide) {
            columns.push_back(&column);
            rows[0].push_back(column.head);
        }
    for (const Json& item : items) {
        auto& row = rows.emplace_back();
        for (const Column* column : columns)
            row.push_back(render_cell(item, *column, options.now));
    }
    return layout(rows, columns, options.colour);
}

// Without columns the object's fields are lines; a list inside is a line an element.
void render_fields(const Json& object, std::size_t indent, std::string& text)
{
    std::size_t width = 0;
    for (const auto& [key, value] : object.items())
        width = std::max(width, display_width(printable(key)));
    for (const auto& [key, value] : object.items()) {
        const std::string name = printable(key);
        text.append(indent, ' ');
        text += name;
        const bool list = value.is_array() && !value.empty() && value.front().is_structured();
        if ((value.is_object() && !value.empty()) || list) {
            text += "\n";
            if (!list) {
                render_fields(value, indent + k_gap, text);
                continue;
            }
            for (const Json& item : value) {
                text.append(indent + k_gap, ' ');
                text += scalar_text(item) + "\n";
            }
            continue;
        }
        text.append(width - display_width(name) + k_gap, ' ');
        text += scalar_text(value) + "\n";
    }
}

std::string render_human(const Report& report, const RenderOptions& options)
{
    if (report.hushed)
        return {};
    if (!report.text.empty())
        return report.text.ends_with('\n') ? report.text : report.text + "\n";
    const Json& data = *report.data;
    if (!data.is_object())
        return {};
    const Json* items = json_find(data, "items");
    if (items != nullptr && items->is_array() && !report.columns.empty())
        return render_table(*items, report, options);
    if (!report.columns.empty())
        return render_table(Json::array({data}), report, options);
    std::string text;
    render_fields(data, 0, text);
    return text;
}

std::string render_names(const Report& report)
{
    std::string text;
    const auto add = [&](const Json& item) {
        if (const Json* name = walk(item, report.name_field))
            text += scalar_text(*name) + "\n";
        else if (item.is_string())
            text += scalar_text(item) + "\n";
    };
    const Json* items = json_find(*report.data, "items");
    if (items == nullptr || !items->is_array())
        add(*report.data);
    else
        std::ranges::for_each(*items, add);
    return text;
}

std::string with_newline(std::string text)
{
    if (!text.empty() && !text.ends_with('\n'))
        text += '\n';
    return text;
}

} // namespace

std::string render_cell(const Json& item, const Column& column, WallTime now)
{
    using Format = Column::Format;
    const Json* value = walk(item, column.field);
    if (value == nullptr || value->is_null())
        return "-";
    if (column.format == Format::age && (value->is_string() || value->is_number()))
        return age_text(*value, now);
    if (column.format == Format::time && value->is_string()) {
        const auto time = parse_time(value->get_ref<const std::string&>());
        return time ? format_time(*time).substr(0, 16) + "Z" : scalar_text(*value);
    }
    if (column.format == Format::yes_no && value->is_boolean())
        return value->get<bool>() ? "yes" : "no";
    if (!value->is_number())
        return scalar_text(*value);
    const double number = value->get<double>();
    switch (column.format) {
    case Format::integer:
        return fmt::format("{:.0f}", number);
    case Format::percent:
        return fmt::format("{:.{}f}%", number * 100, column.decimals);
    case Format::ratio3:
        return fmt::format("{:.3f}", number);
    case Format::milliseconds:
        return number < 1000 ? fmt::format("{:.0f}ms", number) : fmt::format("{:.1f}s", number / 1000);
    case Format::bytes:
        return human_bytes(static_cast<std::uint64_t>(std::max(number, 0.0)));
    default:
        return scalar_text(*value);
    }
}

Result<Rendered> render_report(const Report& report, const RenderOptions& options)
{
    Rendered rendered;
    if (report.data->is_null() && report.text.empty())
        return rendered; // a stream that said everything as it went
    switch (options.format) {
    case OutputFormat::json:
        rendered.out = dump_json(*report.data, 2) + "\n";
        return rendered;
    case OutputFormat::yaml:
        rendered.out = with_newline(dump_yaml(*report.data));
        return rendered;
    case OutputFormat::name:
        rendered.out = render_names(report);
        return rendered;
    case OutputFormat::jsonpath: {
        TRY_ASSIGN(std::string text, eval_jsonpath(options.jsonpath, *report.data));
        rendered.out = with_newline(std::move(text));
        return rendered;
    }
    case OutputFormat::table:
    case OutputFormat::wide:
        break;
    }
    rendered.out = render_human(report, options);
    if (options.quiet)
        return rendered;
    for (const std::string& note : report.notes)
        rendered.err += note + "\n";
    for (std::size_t i = 0; i < report.next.size(); ++i)
        rendered.err += fmt::format("{}{}\n", i == 0 ? "Next  " : "      ", report.next[i]);
    return rendered;
}

std::string render_error(const Error& error, OutputFormat format, bool colour)
{
    const ExitCode& code = exit_code(error.kind);
    if (format == OutputFormat::json || format == OutputFormat::yaml) {
        Json body{{"code", to_exit(error.kind)}, {"name", code.name}, {"message", error.message}};
        if (!error.cause.empty())
            body["cause"] = error.cause;
        if (!error.hint.empty())
            body["hint"] = error.hint;
        body["retryable"] = code.retryable;
        for (const auto& [key, value] : error.details)
            if (!body.contains(key))
                body[key] = value;
        return dump_json(Json{{"error", body}}) + "\n";
    }
    // Line breaks inside stay line breaks; everything else that is no text is shown as \xNN.
    const auto lines = [](std::string_view head, std::string_view text) {
        std::string shown;
        std::string indent(head.size(), ' ');
        for (const std::string& line : split(text, '\n'))
            shown += fmt::format("{}{}\n", shown.empty() ? head : std::string_view(indent), printable(line));
        return shown;
    };
    std::string text = paint("error:", k_red, colour);
    text += lines("error: ", error.message).substr(6);
    if (!error.cause.empty())
        text += lines("cause: ", error.cause);
    if (!error.hint.empty())
        text += lines("hint:  ", error.hint);
    return text;
}

} // namespace conduit
