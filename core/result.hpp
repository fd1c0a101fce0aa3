// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error. The only way errors travel outside adapters.
#pragma once

#include "core/error.hpp"

#include <expected>
#include <utility>

namespace conduit {

template <class T = void> class [[nodiscard]] Result : public std::expected<T, Error> {
  public:
    using Base = std::expected<T, Error>;
    using Base::Base;
    Result(Base base) : Base(std::move(base)) {}
    Result(Error error) : Base(std::unexpect, std::move(error)) {}
};

inline std::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint = {})
{
    return std::unexpected(Error{kind, std::move(message), std::move(hint)});
}

} // namespace conduit

#define CONDUIT_JOIN2(a, b) a##b
#define CONDUIT_JOIN(a, b) CONDUIT_JOIN2(a, b)

// TRY(expr): return the error to the caller, drop the value.
#define TRY(...)                                                                                             \
    do {                                                                                                     \
        if (auto try_result_ = (__VA_ARGS__); !try_result_)                                                  \
            return std::unexpected(std::move(try_result_).error());                                          \
    } while (false)

// TRY_ASSIGN(auto x, expr): as TRY, and bind the value.
#define TRY_ASSIGN(var, ...)                                                                                 \
    auto CONDUIT_JOIN(try_value_, __LINE__) = (__VA_ARGS__);                                                 \
    if (!CONDUIT_JOIN(try_value_, __LINE__))                                                                 \
        return std::unexpected(std::move(CONDUIT_JOIN(try_value_, __LINE__)).error());                       \
    var = *std::move(CONDUIT_JOIN(try_value_, __LINE__))
