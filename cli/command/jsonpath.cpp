// SPDX-License-Identifier: Apache-2.0
// kubectl's JSONPath, the part people use. Missing fields select nothing, as there; a malformed expression is
// a usage error that says where.
#include "cli/command/render.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace conduit {
namespace {

using Nodes = std::vector<const Json*>;

std::string shown(const Json& value)
{
    return value.is_string() ? value.get<std::string>() : dump_json(value);
}

class Evaluator {
  public:
    explicit Evaluator(std::string_view text) : text_(text) {}

    Result<std::string> run(const Json& document)
    {
        std::string out;
        TRY(block(document, out, 0, true));
        if (at_ < text_.size())
            return wrong("'{end}' without '{range}'");
        return out;
    }

  private:
    // Text and {actions} up to the end or to {end}. active: false while a range over nothing is skipped.
    Result<> block(const Json& document, std::string& out, int depth, bool active)
    {
        constexpr int k_most_depth = 16;
        if (depth > k_most_depth)
            return wrong("ranges are nested too deeply");
        while (at_ < text_.size()) {
            if (text_[at_] != '{') {
                if (active)
                    out += text_[at_];
                ++at_;
                continue;
            }
            const std::size_t start = at_++;
            blanks();
            if (word("end")) {
                TRY(expect('}'));
                if (depth == 0)
                    at_ = start;
                return {};
            }
            if (word("range")) {
                TRY(range(document, out, depth, active));
                continue;
            }
            TRY(action(document, out, active));
        }
        if (depth > 0)
            return wrong("'{range}' without '{end}'");
        return {};
    }

    Result<> range(const Json& document, std::string& out, int depth, bool active)
    {
        blanks();
        TRY_ASSIGN(const Nodes nodes, path(document));
        blanks();
        TRY(expect('}'));
        const std::size_t body = at_;
        if (nodes.empty() || !active) {
            TRY(block(document, out, depth + 1, false));
            return {};
        }
        for (const Json* node : nodes) {
            at_ = body;
            TRY(block(*node, out, depth + 1, true));
        }
        return {};
    }

    Result<> action(const Json& document, std::string& out, bool active)
    {
        blanks();
        if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
            TRY_ASSIGN(const std::string literal, quoted());
            if (active)
                out += literal;
        } else {
            TRY_ASSIGN(const Nodes nodes, path(document));
            for (std::size_t i = 0; active && i < nodes.size(); ++i)
                out += (i > 0 ? " " : "") + shown(*nodes[i]);
        }
        blanks();
        return expect('}');
    }

    Result<Nodes> path(const Json& document)
    {
        Nodes nodes{&document};
        if (peek() == '$' || peek() == '@')
            ++at_;
        while (at_ < text_.size()) {
            if (peek() == '.') {
                ++at_;
                if (peek() == '[' || peek() == '}' || peek() == ' ')
                    continue; // ".[0]" and the lone "."
                TRY_ASSIGN(nodes, member(nodes));
            } else if (peek() == '[') {
                ++at_;
                TRY_ASSIGN(nodes, bracket(nodes));
            } else {
                break;
            }
        }
        return nodes;
    }

    Result<Nodes> member(const Nodes& nodes)
    {
        if (peek() == '*') {
            ++at_;
            return children(nodes);
        }
        std::string name;
        while (at_ < text_.size() &&
               std::string_view(".[]{} ()=!<>").find(text_[at_]) == std::string_view::npos) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size())
                ++at_;
            name += text_[at_++];
        }
        if (name.empty())
            return wrong("a field's name is expected");
        return fields(nodes, name);
    }

    Result<Nodes> bracket(const Nodes& nodes)
    {
        if (peek() == '*') {
            ++at_;
            TRY(expect(']'));
            return children(nodes);
        }
        if (peek() == '\'' || peek() == '"') {
            TRY_ASSIGN(const std::string name, quoted());
            TRY(expect(']'));
            return fields(nodes, name);
        }
        if (peek() == '?')
            return filter(nodes);
        TRY_ASSIGN(const auto first, number());
        if (peek() == ':') {
            ++at_;
            TRY_ASSIGN(const auto last, number());
            TRY(expect(']'));
            return slice(nodes, first.value_or(0), last);
        }
        TRY(expect(']'));
        if (!first)
            return wrong("an index is expected");
        return element(nodes, *first);
    }

    Result<Nodes> filter(const Nodes& nodes)
    {
        at_ += 1;
        TRY(expect('('));
        const std::size_t begin = at_;
        Nodes chosen;
        std::size_t end = begin;
        const Nodes candidates = children(nodes);
        const Json nothing;
        for (std::size_t i = 0; i < std::max<std::size_t>(candidates.size(), 1); ++i) {
            at_ = begin;
            const Json& candidate = candidates.empty() ? nothing : *candidates[i];
            TRY_ASSIGN(const bool holds, condition(candidate));
            end = at_;
            if (holds && !candidates.empty())
                chosen.push_back(candidates[i]);
        }
        at_ = end;
        TRY(expect(')'));
        TRY(expect(']'));
        return chosen;
    }

    Result<bool> condition(const Json& candidate)
    {
        blanks();
        TRY_ASSIGN(const Nodes left, path(candidate));
        blanks();
        std::string op;
        while (at_ < text_.size() && std::string_view("=!<>").find(text_[at_]) != std::string_view::npos)
            op += text_[at_++];
        if (op.empty())
            return !left.empty();
        blanks();
        TRY_ASSIGN(const Json right, literal());
        blanks();
        if (left.empty())
            return op == "!=";
        return compare(*left.front(), op, right);
    }

    Result<bool> compare(const Json& left, std::string_view op, const Json& right)
    {
        if (op == "==")
            return left == right;
        if (op == "!=")
            return left != right;
        const bool comparable =
            (left.is_number() && right.is_number()) || (left.is_string() && right.is_string());
        if (op == "<")
            return comparable && left < right;
        if (op == ">")
            return comparable && right < left;
        if (op == "<=")
            return comparable && left <= right;
        if (op == ">=")
            return comparable && right <= left;
        return wrong("one of == != < <= > >= is expected");
    }

    Result<Json> literal()
    {
        if (peek() == '"' || peek() == '\'') {
            TRY_ASSIGN(std::string text, quoted());
            return Json(std::move(text));
        }
        const std::size_t begin = at_;
        while (at_ < text_.size() && std::string_view(") ]}").find(text_[at_]) == std::string_view::npos)
            ++at_;
        auto value = parse_json(text_.substr(begin, at_ - begin));
        if (!value)
            return wrong("a text in quotes, a number, true or false is expected");
        return value;
    }

    static Nodes children(const Nodes& nodes)
    {
        Nodes found;
        for (const Json* node : nodes)
            if (node->is_structured())
                for (const Json& child : *node)
                    found.push_back(&child);
        return found;
    }
    static Nodes fields(const Nodes& nodes, const std::string& name)
    {
        Nodes found;
        for (const Json* node : nodes)
            if (const Json* field = json_find(*node, name))
                found.push_back(field);
        return found;
    }
    static Nodes element(const Nodes& nodes, long index)
    {
        Nodes found;
        for (const Json* node : nodes) {
            const long size = node->is_array() ? static_cast<long>(node->size()) : 0;
            const long place = index < 0 ? size + index : index;
            if (place >= 0 && place < size)
                found.push_back(&(*node)[static_cast<std::size_t>(place)]);
        }
        return found;
    }
    static Nodes slice(const Nodes& nodes, long first, std::optional<long> last)
    {
        Nodes found;
        for (const Json* node : nodes) {
            const long size = node->is_array() ? static_cast<long>(node->size()) : 0;
            const auto clamp = [size](long at) { return std::clamp(at < 0 ? size + at : at, 0L, size); };
            for (long i = clamp(first); i < clamp(last.value_or(size)); ++i)
                found.push_back(&(*node)[static_cast<std::size_t>(i)]);
        }
        return found;
    }

    Result<std::optional<long>> number()
    {
        long value = 0;
        const char* begin = text_.data() + at_;
        const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
        if (end == begin)
            return std::optional<long>{};
        if (error != std::errc{})
            return wrong("the index is too large");
        at_ += static_cast<std::size_t>(end - begin);
        return std::optional<long>{value};
    }

    Result<std::string> quoted()
    {
        const char quote = text_[at_++];
        std::string value;
        while (at_ < text_.size() && text_[at_] != quote) {
            char c = text_[at_++];
            if (c == '\\' && at_ < text_.size()) {
                c = text_[at_++];
                c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
            }
            value += c;
        }
        if (at_ >= text_.size())
            return wrong("a quote is not closed");
        ++at_;
        return value;
    }

    bool word(std::string_view expected)
    {
        if (!text_.substr(at_).starts_with(expected))
            return false;
        const std::size_t after = at_ + expected.size();
        if (after < text_.size() && text_[after] != ' ' && text_[after] != '}')
            return false;
        at_ = after;
        return true;
    }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    void blanks()
    {
        while (peek() == ' ')
            ++at_;
    }
    Result<> expect(char c)
    {
        if (peek() != c)
            return wrong(fmt::format("'{}' is expected", c));
        ++at_;
        return {};
    }
    std::unexpected<Error> wrong(std::string_view what) const
    {
        return fail(ErrorKind::usage,
                    fmt::format("bad jsonpath '{}' at character {}: {}", text_, at_ + 1, what),
                    "For example: -o jsonpath='{.items[*].name}'");
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace

Result<std::string> eval_jsonpath(std::string_view expression, const Json& document)
{
    constexpr std::size_t k_longest = 4096;
    if (expression.empty() || expression.size() > k_longest)
        return fail(ErrorKind::usage, "a jsonpath expression has 1 to 4096 characters",
                    "For example: -o jsonpath='{.items[*].name}'");
    if (expression.find('{') == std::string_view::npos) {
        const std::string braced =
            fmt::format("{{{}}}", expression); // outlives the evaluator, which keeps a view
        return Evaluator(braced).run(document);
    }
    return Evaluator(expression).run(document);
}

Result<> check_jsonpath(std::string_view expression)
{
    TRY(eval_jsonpath(expression, Json()));
    return {};
}

} // namespace conduit
