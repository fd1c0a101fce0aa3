// SPDX-License-Identifier: Apache-2.0
// Header fields of a form: Content-Type with a boundary, and the headers of one part.
#include "agent/providers/multipart.hpp"
#include "agent/providers/multipart_scanner.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

struct Parameters {
    std::string value; // before the first ';', lower case
    std::vector<std::pair<std::string, std::string>> list;
    const std::string* find(std::string_view name) const
    {
        const auto it = std::ranges::find(list, name, &std::pair<std::string, std::string>::first);
        return it == list.end() ? nullptr : &it->second;
    }
};

// Browsers send a backslash in a file name as it is, others quote with it: only \" and \\ are taken as
// quoted.
std::optional<std::string> quoted(std::string_view& text)
{
    std::string out;
    for (std::size_t i = 1; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') {
            text.remove_prefix(i + 1);
            return out;
        }
        if (c == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\'))
            ++i;
        out += text[i];
    }
    return std::nullopt;
}

std::optional<Parameters> parse_parameters(std::string_view text)
{
    Parameters out;
    out.value = to_lower(trim(text.substr(0, text.find(';'))));
    text.remove_prefix(std::min(text.find(';'), text.size()));
    while (!text.empty()) {
        text.remove_prefix(1); // the ';'
        text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
        if (text.empty() || text.front() == ';')
            continue;
        const auto equals = text.find_first_of("=;");
        if (equals == std::string_view::npos || text[equals] == ';')
            return std::nullopt;
        auto name = to_lower(trim(text.substr(0, equals)));
        text.remove_prefix(equals + 1);
        text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
        std::string value;
        if (text.starts_with('"')) {
            auto inner = quoted(text);
            if (!inner)
                return std::nullopt;
            value = std::move(*inner);
            if (!trim(text.substr(0, text.find(';'))).empty())
                return std::nullopt;
        } else {
            value = trim(text.substr(0, text.find(';')));
        }
        text.remove_prefix(std::min(text.find(';'), text.size()));
        out.list.emplace_back(std::move(name), std::move(value));
    }
    return out;
}

// RFC 8187: charset'language'percent-encoded.
std::optional<std::string> extended_value(std::string_view text)
{
    const auto first = text.find('\'');
    const auto second = first == std::string_view::npos ? first : text.find('\'', first + 1);
    if (second == std::string_view::npos || !iequals(text.substr(0, first), "utf-8"))
        return std::nullopt;
    auto decoded = percent_decode(text.substr(second + 1));
    if (!decoded || !is_valid_utf8(*decoded))
        return std::nullopt;
    return *decoded;
}

std::unexpected<Error> bad_part(std::string why)
{
    return fail(ErrorKind::usage, "malformed multipart body: " + std::move(why),
                "Give each part a header like Content-Disposition: form-data; name=\"model\".");
}

Result<> read_disposition(std::string_view value, PartHead& head)
{
    const auto parameters = parse_parameters(value);
    if (!parameters || parameters->value != "form-data")
        return bad_part("a part's Content-Disposition is not form-data");
    const auto* name = parameters->find("name");
    if (name == nullptr || name->empty())
        return bad_part("a part has no name");
    head.name = *name;
    if (const auto* filename = parameters->find("filename")) {
        head.filename = *filename;
        head.has_filename = true;
    }
    if (const auto* extended = parameters->find("filename*")) {
        if (auto decoded = extended_value(*extended)) {
            head.filename = std::move(*decoded);
            head.has_filename = true;
        }
    }
    return {};
}

Result<> read_line(std::string_view line, PartHead& head, bool& named)
{
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0)
        return bad_part("a part's header line has no colon");
    const auto name = line.substr(0, colon);
    const auto value = trim(line.substr(colon + 1));
    if (iequals(name, "content-disposition")) {
        if (named)
            return bad_part("a part has two Content-Disposition headers");
        named = true;
        return read_disposition(value, head);
    }
    if (iequals(name, "content-type"))
        head.content_type = value;
    if (iequals(name, "content-transfer-encoding") && !iequals(value, "binary") && !iequals(value, "8bit") &&
        !iequals(value, "7bit"))
        return bad_part(fmt::format("transfer encoding '{}' is not supported", printable(value)));
    return {};
}

} // namespace

Result<PartHead> parse_part_head(std::string raw)
{
    PartHead head;
    bool named = false;
    std::string_view rest = raw;
    std::string line;
    while (rest.size() > 2) { // the last line break ends the block
        const auto end = rest.find("\r\n");
        line += rest.substr(0, end);
        rest.remove_prefix(end + 2);
        if (rest.starts_with(' ') || rest.starts_with('\t'))
            continue; // folded: the next line belongs to this one
        if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
            return bad_part("a control character in a part's headers");
        TRY(read_line(line, head, named));
        line.clear();
    }
    if (!named)
        return bad_part("a part has no Content-Disposition header");
    head.raw = std::move(raw);
    return head;
}

std::optional<std::string> multipart_boundary(std::string_view content_type)
{
    const auto parameters = parse_parameters(content_type);
    if (!parameters || parameters->value != "multipart/form-data")
        return std::nullopt;
    const auto* boundary = parameters->find("boundary");
    if (boundary == nullptr || boundary->empty() || boundary->size() > 70 || boundary->ends_with(' '))
        return std::nullopt;
    const auto usable = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
    if (!std::ranges::all_of(*boundary, usable))
        return std::nullopt;
    return *boundary;
}

} // namespace conduit::agent
