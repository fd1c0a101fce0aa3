// SPDX-License-Identifier: Apache-2.0
// Of a chat completion the router needs the model alone; everything else is passed on as it came.
#include "agent/providers/request.hpp"
#include "core/text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

namespace bj = boost::json;

constexpr std::size_t k_max_depth = 64;

// Takes the top level's model from the parser's events; no document is built. Boost.JSON here, since every
// request of a chat is read and its parser takes a third of the instructions.
struct ChatHandler {
    static constexpr std::size_t max_object_size = std::size_t(-1), max_array_size = std::size_t(-1),
                                 max_key_size = std::size_t(-1), max_string_size = std::size_t(-1);
    using Failure = boost::system::error_code;
    enum class Key : std::uint8_t { other, model, messages };

    std::string model, text; // text: what came of a key or a string that has an escape in it
    Key key = Key::other;
    std::size_t depth = 0;
    bool is_object = false, has_model = false, has_messages = false;

    bool on_document_begin(Failure&) { return true; }
    bool on_document_end(Failure&) { return true; }
    bool on_object_begin(Failure&)
    {
        is_object = is_object || depth == 0;
        ++depth;
        return true;
    }
    bool on_object_end(std::size_t, Failure&) { return --depth, true; }
    bool on_array_begin(Failure&)
    {
        has_messages = has_messages || (depth == 1 && is_object && key == Key::messages);
        ++depth;
        return true;
    }
    bool on_array_end(std::size_t, Failure&) { return --depth, true; }
    bool on_key_part(bj::string_view part, std::size_t, Failure&) { return keep(part); }
    bool on_key(bj::string_view part, std::size_t, Failure& failure)
    {
        if (depth != 1)
            return true;
        on_key_part(part, 0, failure);
        key = text == "model" ? Key::model : text == "messages" ? Key::messages : Key::other;
        text.clear();
        return true;
    }
    bool on_string_part(bj::string_view part, std::size_t, Failure&)
    {
        return depth != 1 || key != Key::model || keep(part);
    }
    bool on_string(bj::string_view part, std::size_t, Failure&)
    {
        if (depth != 1 || key != Key::model)
            return true;
        keep(part);
        model.swap(text);
        text.clear();
        has_model = true;
        return true;
    }
    bool on_number_part(bj::string_view, Failure&) { return true; }
    bool on_int64(std::int64_t, bj::string_view, Failure&) { return true; }
    bool on_uint64(std::uint64_t, bj::string_view, Failure&) { return true; }
    bool on_double(double, bj::string_view, Failure&) { return true; }
    bool on_bool(bool, Failure&) { return true; }
    bool on_null(Failure&) { return true; }
    bool on_comment_part(bj::string_view, Failure&) { return true; }
    bool on_comment(bj::string_view, Failure&) { return true; }

  private:
    bool keep(bj::string_view part)
    {
        if (depth == 1)
            text.append(part.data(), part.size());
        return true;
    }
};

std::unexpected<Error> broken(bool too_deep, std::size_t position)
{
    const std::string hint = "Send a JSON object with model and messages, encoded as UTF-8.";
    if (too_deep)
        return fail(ErrorKind::usage, fmt::format("the body is nested deeper than {}", k_max_depth), hint);
    return fail(ErrorKind::usage, fmt::format("the body is not valid JSON at byte {}", position), hint);
}

} // namespace

Result<ChatParams> parse_chat(std::string json)
{
    bj::parse_options options;
    options.max_depth = k_max_depth;
    bj::basic_parser<ChatHandler> parser(options);
    boost::system::error_code failure;
    const auto read = parser.write_some(false, json.data(), json.size(), failure);
    if (failure || read < json.size())
        return broken(failure == bj::error::too_deep, std::min(read, json.size()) + 1);
    auto& handler = parser.handler();
    if (!handler.is_object)
        return fail(ErrorKind::usage, "the body is not a JSON object",
                    "Send a JSON object with model and messages.");
    if (!handler.has_messages)
        return missing_parameter("messages");
    if (!handler.has_model)
        return missing_parameter("model");
    ChatParams chat;
    chat.model = std::move(handler.model);
    chat.raw_json = std::move(json);
    return chat;
}

} // namespace conduit::agent
