// SPDX-License-Identifier: Apache-2.0
// Internal to this folder: a bounded ring between one worker and the writer thread, without a lock.
#pragma once

#include "agent/records/record.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>

namespace conduit::agent {

class RecordQueue {
  public:
    static constexpr std::size_t k_capacity = 8192;

    // The memory is touched only as records come, so that an idle agent stays small.
    RecordQueue() : slots_(std::allocator<RequestRecord>().allocate(k_capacity)) {}
    ~RecordQueue()
    {
        RequestRecord gone;
        while (pop(gone)) {
        }
        std::allocator<RequestRecord>().deallocate(slots_, k_capacity);
    }
    RecordQueue(const RecordQueue&) = delete;
    RecordQueue& operator=(const RecordQueue&) = delete;

    bool push(RequestRecord&& record) // the worker
    {
        const auto tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_.load(std::memory_order_acquire) >= k_capacity)
            return false;
        ::new (static_cast<void*>(slots_ + tail % k_capacity)) RequestRecord(std::move(record));
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    bool pop(RequestRecord& out) // the writer
    {
        const auto head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire))
            return false;
        RequestRecord* slot = slots_ + head % k_capacity;
        out = std::move(*slot);
        std::destroy_at(slot);
        head_.store(head + 1, std::memory_order_release);
        return true;
    }

    std::size_t size() const // a moment's guess
    {
        const auto head = head_.load(std::memory_order_acquire);
        return tail_.load(std::memory_order_acquire) - head;
    }

  private:
    RequestRecord* slots_;
    alignas(64) std::atomic<std::size_t> head_{0};
    alignas(64) std::atomic<std::size_t> tail_{0};
};

} // namespace conduit::agent
