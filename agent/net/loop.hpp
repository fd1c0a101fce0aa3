// SPDX-License-Identifier: Apache-2.0
// One event loop a thread: an edge-triggered epoll set, in which a descriptor is entered once, and one coarse
// scan of deadlines instead of a timer an operation. docs/decisions/0006 tells why it is our own.
#pragma once

#include "agent/net/task.hpp"
#include "core/clock.hpp"

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace conduit::agent {

class Loop;

// Anything that must be looked at every tick (100 ms). on_tick must not resume a coroutine.
class Timed {
  public:
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

  protected:
    explicit Timed(Loop& loop);
    virtual ~Timed();
    virtual void on_tick(SteadyTime now) = 0;
    Loop& loop_;

  private:
    friend class Loop;
    Timed* previous_ = nullptr;
    Timed* next_ = nullptr;
};

// A descriptor in the loop's epoll set. Events are edges: on_events is told once that something became
// possible.
class Watched {
  public:
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

  protected:
    explicit Watched(Loop& loop) : watching_(loop) {}
    virtual ~Watched() { unwatch(); }
    bool watch(int fd); // until the descriptor is closed
    void unwatch();     // events already taken from the kernel are dropped; close the descriptor afterwards
    // EPOLLIN and so on. May resume a coroutine, and that may destroy this.
    virtual void on_events(std::uint32_t events) = 0;

  private:
    friend class Loop;
    Loop& watching_;
    bool watched_ = false;
};

class Buffer { // 64 KiB, from and back to its loop's pool
  public:
    static constexpr std::size_t k_size = 65536;
    Buffer() = default;
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer() { reset(); }
    char* data() const { return data_; }
    explicit operator bool() const { return data_ != nullptr; }
    void reset();

  private:
    friend class Loop;
    Buffer(Loop* loop, char* data) : loop_(loop), data_(data) {}
    Loop* loop_ = nullptr;
    char* data_ = nullptr;
};

class Loop {
  public:
    explicit Loop(unsigned index);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void run();                                       // returns after stop()
    void stop();                                      // any thread
    void post(std::function<void()> work);            // any thread; runs on the loop's thread
    void resume_soon(std::coroutine_handle<> handle); // any thread
    unsigned index() const { return index_; }
    TaskRoots& tasks()
    {
        return tasks_;
    } // what is left of them must be dropped while all they use still lives
    Buffer buffer();
    // Addresses of a name, from a cache of 30 s; literals without any lookup. Empty: not found.
    struct Address {
        std::uint8_t bytes[28] = {}; // sockaddr_in or sockaddr_in6
        std::uint32_t size = 0;
    };
    // One that is being looked up again is answered from the last time when the resolver fails.
    Task<std::vector<Address>> resolve(std::string host, std::uint16_t port);

    struct Impl;
    Impl& impl() { return *impl_; }

  private:
    friend class Timed;
    friend class Watched;
    friend class Buffer;
    void tick();
    int until_tick() const; // milliseconds, rounded up
    void take_events(int timeout_ms);
    void run_posted();
    void start_lookup(const std::string& key, const std::string& host, std::uint16_t port);
    void finish_lookup(const std::string& key, std::vector<Address> found);
    std::unique_ptr<Impl> impl_;
    unsigned index_;
    TaskRoots tasks_;
    Timed* first_ = nullptr;
    Timed* scan_next_ = nullptr;
    std::vector<char*> free_buffers_;
};

// One waiter, woken by set() or by the deadline; never resumed inside set().
class Signal final : public Timed {
  public:
    explicit Signal(Loop& loop) : Timed(loop) {}
    void set();
    bool is_set() const { return set_; }
    void clear() { set_ = false; }
    struct Wait {
        Signal& signal;
        bool await_ready() const { return signal.set_; }
        void await_suspend(std::coroutine_handle<> handle) { signal.waiter_ = handle; }
        bool await_resume() const { return signal.set_; } // false: the deadline passed
    };
    Wait wait(SteadyTime deadline)
    {
        deadline_ = deadline;
        return Wait{*this};
    }

  private:
    void on_tick(SteadyTime now) override;
    std::coroutine_handle<> waiter_;
    SteadyTime deadline_ = SteadyTime::max();
    bool set_ = false;
};

} // namespace conduit::agent
