// SPDX-License-Identifier: Apache-2.0
#include "cli/command/values.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace conduit {
namespace {

template <class T> struct Unwrap {
    using Type = T;
};
template <class T> struct Unwrap<std::optional<T>> {
    using Type = T;
};
template <class T> constexpr bool k_is_optional = !std::same_as<T, typename Unwrap<T>::Type>;

template <class T> struct ValueType; // how one type is named, read and shown

template <class T> Result<T> parse_integer(std::string_view text)
{
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return fail(ErrorKind::usage, error == std::errc::result_out_of_range ? "the number is too large"
                                                                              : "a whole number is expected");
    return value;
}
template <> struct ValueType<int> {
    static constexpr std::string_view type = "integer", value = "N";
    static Result<int> parse(std::string_view text) { return parse_integer<int>(text); }
    static std::string show(int v) { return fmt::to_string(v); }
};
template <> struct ValueType<std::int64_t> {
    static constexpr std::string_view type = "integer", value = "N";
    static Result<std::int64_t> parse(std::string_view text) { return parse_integer<std::int64_t>(text); }
    static std::string show(std::int64_t v) { return fmt::to_string(v); }
};
template <> struct ValueType<double> {
    static constexpr std::string_view type = "number", value = "X";
    static Result<double> parse(std::string_view text)
    {
        double number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number))
            return fail(ErrorKind::usage, "a number is expected");
        return number;
    }
    static std::string show(double v) { return fmt::format("{}", v); }
};
template <> struct ValueType<std::string> {
    static constexpr std::string_view type = "text", value = "TEXT";
    static Result<std::string> parse(std::string_view text) { return std::string(text); }
    static std::string show(const std::string& v) { return v; }
};
template <> struct ValueType<fs::path> {
    static constexpr std::string_view type = "path", value = "FILE";
    static Result<fs::path> parse(std::string_view text) { return fs::path(text); }
    static std::string show(const fs::path& v) { return v.string(); }
};
template <> struct ValueType<Duration> {
    static constexpr std::string_view type = "duration", value = "DUR";
    static Result<Duration> parse(std::string_view text) { return parse_duration(text); }
    static std::string show(Duration v) { return v == Duration::zero() ? "" : format_duration(v); }
};
template <> struct ValueType<ByteCount> {
    static constexpr std::string_view type = "size", value = "SIZE";
    static Result<ByteCount> parse(std::string_view text)
    {
        TRY_ASSIGN(const std::uint64_t bytes, parse_bytes(text));
        return ByteCount{bytes};
    }
    static std::string show(ByteCount v) { return v.value == 0 ? "" : format_bytes(v.value); }
};
template <> struct ValueType<Ratio> {
    static constexpr std::string_view type = "ratio", value = "PERCENT";
    static Result<Ratio> parse(std::string_view text)
    {
        TRY_ASSIGN(const double ratio, parse_ratio(text));
        return Ratio{ratio};
    }
    static std::string show(Ratio v) { return fmt::format("{:g}%", v.value * 100); }
};
template <> struct ValueType<Rate> {
    static constexpr std::string_view type = "rate", value = "RATE";
    static Result<Rate> parse(std::string_view text) { return parse_rate(text); }
    static std::string show(const Rate& v) { return v.count == 0 ? "" : format_rate(v); }
};
template <> struct ValueType<bool> {
    static constexpr std::string_view type = "boolean", value = "BOOL";
    static Result<bool> parse(std::string_view text)
    {
        for (const auto* word : {"true", "on", "yes", "1"})
            if (iequals(text, word))
                return true;
        for (const auto* word : {"false", "off", "no", "0"})
            if (iequals(text, word))
                return false;
        return fail(ErrorKind::usage, "on or off is expected");
    }
    static std::string show(bool v) { return v ? "true" : ""; }
};

using Words = std::vector<std::string>;

Error bad_value(const Flag& flag, std::string_view word, std::string_view expected)
{
    return {ErrorKind::usage, fmt::format("bad value '{}' for {}: {}", printable(word), flag.name, expected)};
}

template <class T> Result<> check_range(const Flag& flag, std::string_view word, const T& value)
{
    double number = 0;
    if constexpr (std::is_arithmetic_v<T>)
        number = static_cast<double>(value);
    else if constexpr (std::same_as<T, Ratio>)
        number = value.value;
    else
        return {};
    if (flag.range && (number < flag.range->first || number > flag.range->second))
        return std::unexpected(bad_value(
            flag, word, fmt::format("between {} and {} is expected", flag.range->first, flag.range->second)));
    return {};
}

template <class T> Result<> assign_one(const Flag& flag, T& target, std::string_view word)
{
    using Value = typename Unwrap<T>::Type;
    auto value = ValueType<Value>::parse(word);
    if (!value)
        return std::unexpected(bad_value(flag, word, value.error().message).with_hint(value.error().hint));
    TRY(check_range(flag, word, *value));
    target = *std::move(value);
    return {};
}

Result<> assign_choice(const Flag& flag, const Choice& choice, const std::string& word)
{
    const auto found = std::ranges::find(choice.names, word);
    if (found == choice.names.end())
        return std::unexpected(
            Error{ErrorKind::usage, unknown_name(fmt::format("value for {}", flag.name), word, choice.names)}
                .with_hint(fmt::format("One of: {}.", join(choice.names, ", "))));
    choice.set(static_cast<std::size_t>(found - choice.names.begin()));
    return {};
}

template <class T> std::string show_default(const T& value)
{
    if constexpr (k_is_optional<T>)
        return value ? ValueType<typename Unwrap<T>::Type>::show(*value) : "";
    else
        return ValueType<T>::show(value);
}

} // namespace

std::string_view default_value_name(const FlagTarget& target)
{
    return std::visit(
        [](const auto& held) -> std::string_view {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::same_as<Held, Choice>)
                return "CHOICE";
            else if constexpr (std::same_as<Held, Words*>)
                return "TEXT";
            else
                return ValueType<typename Unwrap<std::remove_pointer_t<Held>>::Type>::value;
        },
        target);
}

std::string default_text(const FlagTarget& target)
{
    return std::visit(
        [](const auto& held) -> std::string {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::same_as<Held, Choice>)
                return held.get();
            else if constexpr (std::same_as<Held, Words*>)
                return join(*held, ",");
            else
                return show_default(*held);
        },
        target);
}

std::string_view type_name(const Flag& flag)
{
    return std::visit(
        [](const auto& held) -> std::string_view {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::same_as<Held, Choice>)
                return "choice";
            else if constexpr (std::same_as<Held, Words*>)
                return "list";
            else
                return ValueType<typename Unwrap<std::remove_pointer_t<Held>>::Type>::type;
        },
        flag.target);
}

std::vector<std::string> choices(const Flag& flag)
{
    const auto* choice = std::get_if<Choice>(&flag.target);
    return choice == nullptr ? std::vector<std::string>{} : choice->names;
}

Result<> assign(const Flag& flag, std::span<const std::string> words)
{
    if (flag.kind == Flag::Kind::flag && words.empty()) {
        **std::get_if<bool*>(&flag.target) = true;
        return {};
    }
    if (const auto* list = std::get_if<Words*>(&flag.target)) {
        (*list)->assign(words.begin(), words.end());
        return {};
    }
    if (words.size() != 1)
        return fail(ErrorKind::usage, fmt::format("{} is given {} times", flag.name, words.size()),
                    "Give it once.");
    return std::visit(
        [&](const auto& held) -> Result<> {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::same_as<Held, Choice>)
                return assign_choice(flag, held, words.front());
            else if constexpr (std::same_as<Held, Words*>)
                return {}; // handled above
            else
                return assign_one(flag, *held, words.front());
        },
        flag.target);
}

} // namespace conduit
