// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/raw_http.hpp"
#include "tests/support/test_agent.hpp"
#include "tests/support/wait.hpp"

#include <fmt/format.h>
#include <mutex>

namespace conduit::test {

inline std::string provider_line(const std::string& name, const std::string& url, int weight = 1,
                                 const std::string& more = {})
{
    return fmt::format(
        "  {}: {{kind: openai, weight: {}, endpoint: \"{}\", key: \"env:CONDUIT_TEST_KEY\"{}}}\n", name,
        weight, url, more);
}

inline std::string agent_yaml(const std::string& providers, const std::string& more = {}, bool cache = false)
{
    return fmt::format("listen: {{data: 127.0.0.1:0}}\nproviders:\n{}cache: {{enabled: {}}}\n"
                       "control: {{store: sqlite, path: /tmp/unused.db}}\nrecords: {{store: none}}\n{}",
                       providers, cache, more);
}

inline std::string mp3_answer(const RawConnection::Message& /*request*/)
{
    return http_answer(200, "audio/mpeg", "MP3DATA");
}

// The next request that is not a health probe; probes are answered with an empty list of models. Without a
// start line when the connection ended.
inline RawConnection::Message next_request(RawConnection& connection)
{
    for (;;) {
        auto request = connection.read_message();
        const bool probe = request.start.starts_with("GET") && !request.headers.contains("upgrade");
        if (!probe)
            return request;
        connection.send(http_answer(200, "application/json", R"({"data":[]})"));
    }
}

// A text that a server's thread writes and the test reads.
class Heard {
  public:
    void set(std::string text)
    {
        const std::lock_guard lock(mutex_);
        text_ = std::move(text);
    }
    std::string get() const
    {
        const std::lock_guard lock(mutex_);
        return text_;
    }

  private:
    mutable std::mutex mutex_;
    std::string text_;
};

inline RawConnection::Message speak(int port, std::string_view text = "hello")
{
    return post(port, "/v1/audio/speech", "application/json", speech_body(text));
}

} // namespace conduit::test
