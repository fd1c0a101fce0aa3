// SPDX-License-Identifier: Apache-2.0
// Of a chat completion the router needs the model alone; everything else is passed on as it came.
#include "agent/providers/request.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_depth = 64;

// Reads the top level without building a document.
class ChatHandler final : public nlohmann::json_sax<nlohmann::json> {
  public:
    explicit ChatHandler(std::string& model) : model_(model) {}

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(std::int64_t) override { return true; }
    bool number_unsigned(std::uint64_t) override { return true; }
    bool number_float(double, const std::string&) override { return true; }
    bool string(std::string& text) override
    {
        if (depth_ == 1 && key_ == Key::model) {
            model_ = text;
            has_model_ = true;
        }
        return true;
    }
    bool binary(nlohmann::json::binary_t&) override { return false; }
    bool start_object(std::size_t) override
    {
        is_object_ = is_object_ || depth_ == 0;
        return ++depth_ <= k_max_depth;
    }
    bool end_object() override { return --depth_, true; }
    bool start_array(std::size_t) override
    {
        has_messages_ = has_messages_ || (depth_ == 1 && is_object_ && key_ == Key::messages);
        return ++depth_ <= k_max_depth;
    }
    bool end_array() override { return --depth_, true; }
    bool key(std::string& name) override
    {
        if (depth_ == 1)
            key_ = name == "model" ? Key::model : name == "messages" ? Key::messages : Key::other;
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override
    {
        position_ = position;
        return false;
    }

    bool is_object() const { return is_object_; }
    bool has_model() const { return has_model_; }
    bool has_messages() const { return has_messages_; }
    bool too_deep() const { return depth_ > k_max_depth; }
    std::size_t position() const { return position_; }

  private:
    enum class Key : std::uint8_t { other, model, messages };
    std::string& model_;
    Key key_ = Key::other;
    std::size_t depth_ = 0, position_ = 0;
    bool is_object_ = false, has_model_ = false, has_messages_ = false;
};

std::unexpected<Error> broken(const ChatHandler& handler)
{
    const std::string hint = "Send a JSON object with model and messages, encoded as UTF-8.";
    if (handler.too_deep())
        return fail(ErrorKind::usage, fmt::format("the body is nested deeper than {}", k_max_depth), hint);
    return fail(ErrorKind::usage,
                handler.position() > 0
                    ? fmt::format("the body is not valid JSON at byte {}", handler.position())
                    : "the body is not valid JSON",
                hint);
}

} // namespace

Result<ChatParams> parse_chat(std::string json)
{
    ChatParams chat;
    ChatHandler handler(chat.model);
    if (!nlohmann::json::sax_parse(json, &handler))
        return broken(handler);
    if (!handler.is_object())
        return fail(ErrorKind::usage, "the body is not a JSON object",
                    "Send a JSON object with model and messages.");
    if (!handler.has_messages())
        return missing_parameter("messages");
    if (!handler.has_model())
        return missing_parameter("model");
    chat.raw_json = std::move(json);
    return chat;
}

} // namespace conduit::agent
