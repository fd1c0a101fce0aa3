// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/multipart.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <random>

using namespace conduit;
using namespace conduit::agent;

namespace {

struct Read {
    std::string audio, filename, type, error, param;
    std::vector<std::pair<std::string, std::string>> fields;
    bool operator==(const Read&) const = default;
};

Read read_pieces(std::string_view body, std::string_view boundary, const std::vector<std::size_t>& cuts)
{
    MultipartReader reader(boundary);
    Read out;
    std::size_t from = 0;
    const auto feed = [&](std::size_t to) {
        const std::string piece(body.substr(from, to - from)); // its own memory: no view may outlive it
        std::vector<std::string_view> audio;
        auto fed = reader.feed(piece, audio);
        for (const auto view : audio)
            out.audio += view;
        from = to;
        return fed;
    };
    Result<> result;
    for (const auto cut : cuts)
        if (result && cut > from)
            result = feed(cut);
    if (result && from < body.size())
        result = feed(body.size());
    if (result)
        result = reader.finish();
    if (!result) {
        out.error = result.error().message;
        CHECK(result.error().kind == ErrorKind::usage);
        CHECK_FALSE(result.error().hint.empty());
        if (const auto it = result.error().details.find("param"); it != result.error().details.end())
            out.param = it->second;
    }
    for (const auto& field : reader.fields())
        out.fields.emplace_back(field.name, field.value);
    out.filename = reader.filename();
    out.type = reader.file_content_type();
    return out;
}

Read read_whole(std::string_view body, std::string_view boundary = "XyZ")
{
    return read_pieces(body, boundary, {});
}

std::string part(std::string_view head, std::string_view value)
{
    return "--XyZ\r\nContent-Disposition: form-data; " + std::string(head) + "\r\n\r\n" + std::string(value) +
           "\r\n";
}

using namespace std::string_literals;
const auto k_tricky = "RIFF\r\n--XyY\r\r\n--Xy\r\n-\r\n--\r\n\0zz\r"s; // nearly boundaries, ends in CR

std::string sample()
{
    return "a preamble\r\n" + part("name=\"model\"", "whisper-1") +
           "--XyZ  \r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".wav\"\r\n"
           "Content-Type: audio/wav\r\n\r\n" +
           k_tricky + "\r\n" + part("name=\"timestamp_granularities[]\"", "word") +
           part("name=timestamp_granularities", "segment") + part("name=\"prompt\"", "") +
           "--XyZ--\r\nan epilogue --XyZ\r\n";
}

} // namespace

TEST_CASE("a form gives its fields, its file and the file's name")
{
    const auto read = read_whole(sample());
    CHECK(read.error.empty());
    CHECK(read.audio == k_tricky);
    CHECK(read.filename == "a \"b\".wav");
    CHECK(read.type == "audio/wav");
    REQUIRE(read.fields.size() == 4);
    CHECK(read.fields[0] == std::pair<std::string, std::string>("model", "whisper-1"));
    CHECK(read.fields[1] == std::pair<std::string, std::string>("timestamp_granularities", "word"));
    CHECK(read.fields[2].second == "segment");
    CHECK(read.fields[3].second.empty());
}

TEST_CASE("any split of a form into pieces gives the same result")
{
    const auto body = sample();
    const auto whole = read_whole(body);
    for (std::size_t cut = 1; cut < body.size(); ++cut)
        REQUIRE(read_pieces(body, "XyZ", {cut}) == whole);
    std::vector<std::size_t> every(body.size());
    for (std::size_t i = 0; i < every.size(); ++i)
        every[i] = i;
    CHECK(read_pieces(body, "XyZ", every) == whole);
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
        std::vector<std::size_t> cuts;
        for (std::size_t at = 0; at < body.size(); at += 1 + random() % 40)
            cuts.push_back(at);
        REQUIRE(read_pieces(body, "XyZ", cuts) == whole);
    }
}

TEST_CASE("a body full of carriage returns is read like any other")
{
    for (const std::string_view unit : {"\r", "\r\n", "\r\n--Xy", "\r\n--"}) {
        for (std::size_t count = 0; count < 120; ++count) {
            std::string audio;
            for (std::size_t i = 0; i < count; ++i)
                audio += unit;
            const auto body = part("name=\"file\"; filename=\"a.wav\"", audio) + "--XyZ--\r\n";
            const auto read = read_whole(body);
            REQUIRE(read.error.empty());
            REQUIRE(read.audio == audio);
            REQUIRE(read_pieces(body, "XyZ", {body.size() / 3, body.size() / 2}) == read);
        }
    }
}

TEST_CASE("damaged forms fail the same way however they are split")
{
    std::mt19937 random(11);
    const auto good = sample();
    for (int round = 0; round < 2000; ++round) {
        auto body = good;
        for (int change = 0; change < 3; ++change) {
            const auto at = random() % body.size();
            switch (random() % 3) {
            case 0:
                body[at] = static_cast<char>(random());
                break;
            case 1:
                body.erase(at, 1 + random() % 9);
                break;
            default:
                body.insert(at, "\r\n--XyZ");
            }
        }
        const auto whole = read_whole(body);
        std::vector<std::size_t> cuts;
        for (std::size_t at = 0; at < body.size(); at += 1 + random() % 25)
            cuts.push_back(at);
        REQUIRE(read_pieces(body, "XyZ", cuts) == whole);
    }
}

TEST_CASE("a malformed form is a clear error")
{
    const auto file = part("name=\"file\"; filename=a.wav", "abc");
    const std::string end = "--XyZ--\r\n";
    const auto error = [](const std::string& body) { return read_whole(body).error; };
    CHECK(error("") == "malformed multipart body: the closing boundary is missing");
    CHECK(error(file).ends_with("the closing boundary is missing"));
    CHECK(error("--XyZ--") == "the form has no part named 'file'");
    CHECK(read_whole("--XyZ--").param == "file");
    CHECK(error(file + file + end).ends_with("two parts are named 'file'"));
    CHECK(error("--XyZ\nContent-Disposition: form-data; name=a\n\n\n--XyZ--").ends_with("not LF alone"));
    CHECK(error("--XyZ\r\nContent-Disposition: form-data; name=a\n\r\n\r\n").ends_with("not LF alone"));
    CHECK(error("--XyZjunk\r\n").ends_with("unexpected bytes after a boundary"));
    CHECK(error("--XyZ" + std::string(100, ' ')).ends_with("unexpected bytes after a boundary"));
    CHECK(error("--XyZ\r\n\r\nx\r\n" + end).ends_with("no Content-Disposition header"));
    CHECK(error(part("filename=x", "y") + end).ends_with("a part has no name"));
    CHECK(error("--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\n").ends_with("is not form-data"));
    CHECK(error("--XyZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\n").ends_with("is not form-data"));
    CHECK(error("--XyZ\r\nno colon here\r\n\r\n").ends_with("has no colon"));
    CHECK(error("--XyZ\r\nContent-Transfer-Encoding: base64\r\n\r\n").ends_with("is not supported"));
    CHECK(error("--XyZ\r\nX: " + std::string(9000, 'x')).ends_with("larger than 8192 bytes"));
    CHECK(error(part("name=a", std::string((1U << 20U) + 1, 'x'))).contains("larger than 1048576 bytes"));
    std::string many;
    for (int i = 0; i < 65; ++i)
        many += part("name=a", "b");
    CHECK(error(many + end).ends_with("more than 64 parts"));
}

TEST_CASE("an extended file name wins, a broken one is passed over")
{
    CHECK(read_whole(part("name=file; filename=a.wav; filename*=UTF-8''gr%C3%BC%C3%9Fe.wav", "x") + "--XyZ--")
              .filename == "grüße.wav");
    CHECK(read_whole(part("name=file; filename=a.wav; filename*=UTF-8''%FF", "x") + "--XyZ--").filename ==
          "a.wav");
    CHECK(read_whole(part("name=file; filename=\"C:\\dir\\a.wav\"", "x") + "--XyZ--").filename ==
          "C:\\dir\\a.wav");
}

TEST_CASE("the boundary is read from the content type, or refused")
{
    CHECK(multipart_boundary("multipart/form-data; boundary=abc") == "abc");
    CHECK(multipart_boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b'c\"") == "a b'c");
    for (const auto* bad :
         {"", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
          "multipart/form-data; boundary=\"", "multipart/mixed; boundary=x", "multipart/form-data; boundary",
          "multipart/form-data; boundary=\"x\r\ny\"", "multipart/form-data; boundary=\"x \"",
          "multipart/form-data; "
          "boundary=12345678901234567890123456789012345678901234567890123456789012345678901"})
        CHECK_FALSE(multipart_boundary(bad));
}

TEST_CASE("the audio of a piece is one view into it: nothing is copied")
{
    std::string audio(131072, '\0');
    std::mt19937 random(3);
    for (auto& c : audio)
        c = static_cast<char>(random());
    const auto body = part("name=file; filename=a.wav", audio) + "--XyZ--";
    MultipartReader reader("XyZ");
    std::vector<std::string_view> views;
    REQUIRE(reader.feed(body, views));
    REQUIRE(views.size() == 1);
    CHECK(views[0] == audio);
    CHECK(views[0].data() > body.data());
    CHECK(views[0].data() < body.data() + body.size());
    CHECK(reader.complete());
}
