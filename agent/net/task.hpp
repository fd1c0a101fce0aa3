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

// The tasks that live by themselves on one thread, so that those that still wait at the end can be given up:
// a frame frees its locals, and with them the tasks it waits for.
class TaskRoots {
  public:
    TaskRoots() = default;
    TaskRoots(const TaskRoots&) = delete;
    TaskRoots& operator=(const TaskRoots&) = delete;
    ~TaskRoots() { drop(); }
    void drop()
    {
        while (first_ != nullptr)
            first_->destroy();
    }

    class Link {
      public:
        explicit Link(TaskRoots& roots) : roots_(roots), next_(roots.first_)
        {
            if (next_ != nullptr)
                next_->previous_ = this;
            roots_.first_ = this;
        }
        Link(const Link&) = delete;
        Link& operator=(const Link&) = delete;
        virtual void destroy() = 0;

      protected:
        ~Link()
        {
            (previous_ != nullptr ? previous_->next_ : roots_.first_) = next_;
            if (next_ != nullptr)
                next_->previous_ = previous_;
        }

      private:
        TaskRoots& roots_;
        Link* previous_ = nullptr;
        Link* next_;
    };

  private:
    Link* first_ = nullptr;
};

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
        promise_type(TaskRoots& roots, Task<void>& /*task*/) : link(roots, *this) {}
        Detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::abort(); }

        struct Link final : TaskRoots::Link {
            Link(TaskRoots& roots, promise_type& owner) : TaskRoots::Link(roots), promise(owner) {}
            void destroy() override { std::coroutine_handle<promise_type>::from_promise(promise).destroy(); }
            promise_type& promise;
        } link;
    };
};
inline Detached run_detached(TaskRoots& /*roots*/, Task<void> task)
{
    co_await task;
}
} // namespace detail

// Starts now, runs until its first wait, then lives by itself, no longer than `roots`. Exceptions must not
// leave the task.
inline void spawn(TaskRoots& roots, Task<void> task)
{
    detail::run_detached(roots, std::move(task));
}

} // namespace conduit::agent
