// SPDX-License-Identifier: Apache-2.0
#include "sim/wire/multipart.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace conduit::sim {
namespace {

constexpr std::size_t k_max_parts = 1000;
constexpr std::size_t k_max_part_headers = 16U << 10U;

std::unexpected<Error> malformed(std::string_view why)
{
    return fail(ErrorKind::failed, "the multipart body is malformed: " + std::string(why));
}

// The value of `name=` among the parameters of a header; quotes are taken off.
std::optional<std::string> parameter(std::string_view header, std::string_view name)
{
    for (std::size_t at = header.find(';'); at != std::string_view::npos;) {
        auto rest = trim(header.substr(at + 1));
        const auto equals = rest.find('=');
        if (equals == std::string_view::npos)
            return std::nullopt;
        const bool wanted = iequals(trim(rest.substr(0, equals)), name);
        rest.remove_prefix(equals + 1);
        std::string value;
        std::size_t used = 0;
        if (rest.starts_with('"')) {
            for (used = 1; used < rest.size() && rest[used] != '"'; ++used) {
                if (rest[used] == '\\' && used + 1 < rest.size())
                    ++used;
                value += rest[used];
            }
        } else {
            used = std::min(rest.find(';'), rest.size());
            value = trim(rest.substr(0, used));
        }
        if (wanted)
            return value;
        const auto next = rest.find(';', used);
        at = next == std::string_view::npos ? next
                                            : static_cast<std::size_t>(rest.data() - header.data()) + next;
    }
    return std::nullopt;
}

Result<FormPart> parse_part(std::string_view text)
{
    const auto end = text.find("\r\n\r\n");
    if (end == std::string_view::npos || end > k_max_part_headers)
        return malformed("a part has no headers");
    FormPart part;
    part.data = text.substr(end + 4);
    for (const auto& line : split(text.substr(0, end), '\n')) {
        const auto colon = line.find(':');
        if (colon == std::string::npos || !iequals(line.substr(0, colon), "content-disposition"))
            continue;
        const auto value = std::string(trim(std::string_view(line).substr(colon + 1)));
        part.name = parameter(value, "name").value_or("");
        part.filename = parameter(value, "filename");
    }
    if (part.name.empty())
        return malformed("a part has no name");
    return part;
}

} // namespace

Result<Form> Form::parse(std::string_view content_type, std::string_view body)
{
    const auto boundary = parameter(content_type, "boundary");
    if (!to_lower(content_type).starts_with("multipart/form-data") || !boundary || boundary->empty() ||
        boundary->size() > 200)
        return malformed("no usable boundary in the content type");
    const auto mark = "--" + *boundary;
    auto at = body.starts_with(mark) ? 0 : body.find("\r\n" + mark);
    if (at == std::string_view::npos)
        return malformed("the boundary does not occur");
    at += at == 0 && body.starts_with(mark) ? mark.size() : mark.size() + 2;
    Form form;
    while (!body.substr(at).starts_with("--")) {
        if (!body.substr(at).starts_with("\r\n"))
            return malformed("a boundary is not followed by a line end");
        const auto end = body.find("\r\n" + mark, at);
        if (end == std::string_view::npos)
            return malformed("the closing boundary is missing");
        if (form.parts_.size() == k_max_parts)
            return malformed("too many parts");
        TRY_ASSIGN(auto part, parse_part(body.substr(at + 2, end - at - 2)));
        form.parts_.push_back(std::move(part));
        at = end + 2 + mark.size();
    }
    return form;
}

const FormPart* Form::find(std::string_view name) const
{
    const auto found = std::ranges::find(parts_, name, &FormPart::name);
    return found == parts_.end() ? nullptr : &*found;
}

std::string_view Form::value(std::string_view name) const
{
    const auto* part = find(name);
    return part == nullptr ? std::string_view{} : part->data;
}

std::vector<std::string_view> Form::values(std::string_view name) const
{
    std::vector<std::string_view> out;
    for (const auto& part : parts_) {
        if (part.name == name || part.name == std::string(name) + "[]")
            out.push_back(part.data);
    }
    return out;
}

} // namespace conduit::sim
