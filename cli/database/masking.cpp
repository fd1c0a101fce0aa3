// SPDX-License-Identifier: Apache-2.0
#include "cli/database/masking.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace conduit::sql {
namespace {

bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (static_cast<unsigned char>(c) >= 0x80);
}
bool digit(char c)
{
    return c >= '0' && c <= '9';
}
bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}
    bool done() const { return at_ >= text_.size(); }
    char now() const { return text_[at_]; }
    std::string_view rest() const { return text_.substr(at_); }
    void skip(std::size_t count) { at_ = std::min(text_.size(), at_ + count); }
    std::string_view take(std::size_t count)
    {
        const auto taken = text_.substr(at_, count);
        skip(count);
        return taken;
    }

    // Blanks and comments; true when there was any.
    bool skip_blanks()
    {
        const auto from = at_;
        while (!done()) {
            if (blank(now()))
                skip(1);
            else if (rest().starts_with("--"))
                skip(std::min(rest().find('\n'), rest().size()));
            else if (rest().starts_with("/*"))
                skip_comment();
            else
                break;
        }
        return at_ != from;
    }

    // A literal, an escape string, a dollar-quoted text; false when there is none.
    bool skip_literal()
    {
        if (now() == '\'')
            return skip_quoted(escapes_);
        if (now() != '$')
            return false;
        std::size_t end = 1;
        while (end < rest().size() && (letter(rest()[end]) || (end > 1 && digit(rest()[end]))))
            ++end;
        if (end >= rest().size() || rest()[end] != '$')
            return false;
        const auto tag = take(end + 1);
        const auto close = rest().find(tag);
        skip(close == std::string_view::npos ? rest().size() : close + tag.size());
        return true;
    }

    std::string_view take_word()
    {
        std::size_t end = 0;
        while (end < rest().size() && (letter(rest()[end]) || digit(rest()[end]) || rest()[end] == '$'))
            ++end;
        const auto word = take(end);
        escapes_ = iequals(word, "e"); // E'it\'s'
        return word;
    }
    std::string_view take_number()
    {
        std::size_t end = 0;
        while (end < rest().size() && (digit(rest()[end]) || letter(rest()[end]) || rest()[end] == '.'))
            ++end;
        escapes_ = false;
        return take(end);
    }
    std::string_view take_quoted_name()
    {
        const auto close = rest().find('"', 1);
        escapes_ = false;
        return take(close == std::string_view::npos ? rest().size() : close + 1);
    }
    char take_one()
    {
        escapes_ = false;
        return take(1).front();
    }

  private:
    void skip_comment() // they nest
    {
        int depth = 0;
        do {
            if (rest().starts_with("/*")) {
                ++depth;
                skip(2);
            } else if (rest().starts_with("*/")) {
                --depth;
                skip(2);
            } else {
                skip(1);
            }
        } while (depth > 0 && !done());
    }
    bool skip_quoted(bool escapes)
    {
        skip(1);
        while (!done()) {
            const char c = now();
            skip(escapes && c == '\\' ? 2 : 1);
            if (c != '\'')
                continue;
            if (done() || now() != '\'')
                break;
            skip(1); // '' is one quote within
        }
        escapes_ = false;
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool escapes_ = false;
};

} // namespace

std::string masked(std::string_view statement, std::size_t most)
{
    std::string out;
    Scanner scanner(statement);
    scanner.skip_blanks();
    while (!scanner.done() && out.size() < most) {
        if (scanner.skip_blanks()) {
            out += ' ';
        } else if (scanner.skip_literal()) {
            out += '?';
        } else if (letter(scanner.now())) {
            out += scanner.take_word();
        } else if (digit(scanner.now())) {
            (void)scanner.take_number();
            out += '?';
        } else if (scanner.now() == '"') {
            out += scanner.take_quoted_name();
        } else if (scanner.now() == '$') { // a parameter: $1
            out += scanner.take_one();
            if (!scanner.done() && digit(scanner.now()))
                out += scanner.take_number();
        } else {
            out += scanner.take_one();
        }
    }
    if (out.size() > most || !scanner.done())
        out = out.substr(0, most) + " ...";
    return printable(sanitize_utf8(std::string(trim(out))));
}

std::string first_word(std::string_view statement)
{
    Scanner scanner(statement);
    while (scanner.skip_blanks() || (!scanner.done() && scanner.now() == '('))
        if (!scanner.done() && scanner.now() == '(')
            scanner.skip(1);
    return scanner.done() ? std::string() : to_upper(scanner.take_word());
}

} // namespace conduit::sql
