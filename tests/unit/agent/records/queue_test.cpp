// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record_queue.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/agent/records/fixture.hpp"

#include <thread>

using namespace conduit::agent;
using namespace conduit::agent::test;

TEST_CASE("the queue keeps the order and refuses what does not fit")
{
    RecordQueue queue;
    for (std::size_t i = 0; i < RecordQueue::k_capacity; ++i)
        REQUIRE(queue.push(sample_record(static_cast<int>(i))));
    CHECK_FALSE(queue.push(sample_record(-1)));
    RequestRecord record;
    REQUIRE(queue.pop(record));
    CHECK(record.request_id == "req-0");
    CHECK(queue.push(sample_record(-1)));
    CHECK(queue.size() == RecordQueue::k_capacity);
}

TEST_CASE("one thread pushes while another pops")
{
    RecordQueue queue;
    std::thread worker([&] {
        for (int i = 0; i < 30'000;)
            if (queue.push(sample_record(i)))
                ++i;
            else
                std::this_thread::yield();
    });
    RequestRecord record;
    int mismatches = 0;
    for (int i = 0; i < 30'000;)
        if (queue.pop(record))
            mismatches += record.request_id == "req-" + std::to_string(i++) ? 0 : 1;
        else
            std::this_thread::yield();
    worker.join();
    CHECK(mismatches == 0);
}
