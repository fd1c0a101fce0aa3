// SPDX-License-Identifier: Apache-2.0
// Blocking HTTP over plain sockets, byte for byte as the test wants it: a client, and a scripted server.
#pragma once

#include "core/fs.hpp"
#include "core/http.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace conduit::test {

class RawConnection {
  public:
    explicit RawConnection(UniqueFd fd) : fd_(std::move(fd)) {}
    static RawConnection to(int port);
    bool send(std::string_view bytes);
    // At least one byte, or "" at the end or after the time limit.
    std::string receive(std::chrono::milliseconds limit = std::chrono::seconds(10));
    // Until the text was seen; everything read so far, from this call's start.
    std::string receive_until(std::string_view mark);
    struct Message {
        std::string start;                          // status or request line
        std::map<std::string, std::string> headers; // names in lower case
        std::string body;
        bool whole = false; // ended as its framing says
        int status() const;
        std::string header(const std::string& name) const;
    };
    Message read_message(bool body = true); // an answer or a request
    std::string read_exactly(std::size_t bytes);
    bool closed(std::chrono::milliseconds limit = std::chrono::seconds(10)); // the peer closed, nothing left
    void close() { fd_.reset(); }
    void reset();      // the close to come is an RST
    void close_send(); // FIN
    int fd() const { return fd_.get(); }

  private:
    UniqueFd fd_;
    std::string rest_;
};

std::string http_request(std::string_view method, std::string_view path, std::string_view content_type,
                         std::string_view body, const HeaderList& headers = {});
std::string http_answer(int status, std::string_view content_type, std::string_view body,
                        const HeaderList& headers = {});
std::string speech_body(std::string_view text = "hello", std::string_view format = "mp3");
// A form with a WAV file of that many bytes.
std::string transcription_form(std::string_view boundary, std::size_t audio_bytes,
                               const HeaderList& fields = {{"model", "whisper-1"}});
RawConnection::Message post(int port, std::string_view path, std::string_view content_type,
                            std::string_view body, const HeaderList& headers = {});

// Serves each connection on a thread of its own by the given script until the script returns.
class ScriptedServer {
  public:
    using Script = std::function<void(RawConnection& connection, int number)>; // number: of the connection
    explicit ScriptedServer(Script script);
    ~ScriptedServer();
    int port() const { return port_; }
    int accepted() const { return accepted_; }
    std::string url() const;

  private:
    void run();
    Script script_;
    UniqueFd listener_;
    int port_ = 0;
    std::atomic<int> accepted_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::vector<int> open_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

// Answers every request with `answer(request)`; probes (GET /v1/models) are answered by themselves and not
// counted.
class ScriptedProvider {
  public:
    using Answer = std::function<std::string(const RawConnection::Message&)>; // "": hang until closed
    explicit ScriptedProvider(Answer answer);
    std::string url() const { return server_->url(); }
    int requests() const { return requests_; }
    int connections() const { return server_->accepted(); }
    std::vector<RawConnection::Message> seen() const;

  private:
    Answer answer_;
    std::atomic<int> requests_{0};
    mutable std::mutex mutex_;
    std::vector<RawConnection::Message> seen_;
    std::unique_ptr<ScriptedServer> server_;
};

} // namespace conduit::test
