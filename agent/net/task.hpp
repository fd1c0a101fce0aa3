// SPDX-License-Identifier: Apache-2.0
// A lazy coroutine and its detached root. A child that ends without waiting costs no stack: the parent goes
// on inside await_suspend's caller, so loops over ready operations stay flat in debug builds too.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <exception>
#include <optional>
#include <utility>

namespace conduit::agent {

template <class T> class [[nodiscard]] Task;

namespace detail {

struct PromiseBase {
    std::coroutine_handle<> parent;
    bool parent_waits = false;
    std::exception_ptr error;

    struct Final {
        bool await_ready() const noexcept { return false; }
        template <class P> void await_suspend(std::coroutine_handle<P> self) const noexcept
        {
            if (self.promise().parent_waits)
                self.promise().parent.resume(); // may destroy this frame
        }
        void await_resume() const noexcept {}
    };
    std::suspend_always initial_suspend() const noexcept { return {}; }
    Final final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }
};

template <class T> struct Promise : PromiseBase {
    std::optional<T> value;
    Task<T> get_return_object() noexcept;
    template <class U> void return_value(U&& v) { value.emplace(std::forward<U>(v)); }
    T take()
    {
        if (error)
            std::rethrow_exception(error);
        return std::move(*value);
    }
};

template <> struct Promise<void> : PromiseBase {
    Task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const
    {
        if (error)
            std::rethrow_exception(error);
    }
};

} // namespace detail

template <class T = void> class [[nodiscard]] Task {
  public:
    using promise_type = detail::Promise<T>;
    using Handle = std::coroutine_handle<promise_type>;

    explicit Task(Handle handle) noexcept : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&&) = delete;
    ~Task()
    {
        if (handle_)
            handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) noexcept
    {
        handle_.promise().parent = parent;
        handle_.resume();
        if (handle_.done())
            return false;
        handle_.promise().parent_waits = true;
        return true;
    }
    T await_resume() { return handle_.promise().take(); }

  private:
    Handle handle_;
};

namespace detail {
template <class T> Task<T> Promise<T>::get_return_object() noexcept
{
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept
{
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

struct Detached {
    struct promise_type {
        Detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::abort(); }
    };
};
inline Detached run_detached(Task<void> task)
{
    co_await task;
}
} // namespace detail

// Starts now, runs until its first wait, then lives by itself. Exceptions must not leave the task.
inline void spawn(Task<void> task)
{
    detail::run_detached(std::move(task));
}

} // namespace conduit::agent
