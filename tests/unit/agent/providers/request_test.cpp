// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/request.hpp"
#include "core/json.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;

namespace {

std::string param_of(const Error& error)
{
    const auto it = error.details.find("param");
    return it == error.details.end() ? "" : it->second;
}

Result<TranscriptionParams> form(const std::vector<std::pair<std::string, std::string>>& fields,
                                 Operation operation = Operation::transcription)
{
    std::string body;
    for (const auto& [name, value] : fields)
        body += "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    body += "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--";
    MultipartReader reader("b");
    std::vector<std::string_view> audio;
    REQUIRE(reader.feed(body, audio));
    return read_transcription(reader, "b", operation);
}

} // namespace

TEST_CASE("a speech body gives its parameters")
{
    const std::string body =
        R"({"model":"tts-1","input":"Grüße","voice":"alloy","response_format":"opus",)"
        R"("speed":1.5,"instructions":"calm","unknown":[{"model":"x"}],"stream_format":null})";
    const auto speech = parse_speech(body);
    REQUIRE(speech);
    CHECK(speech->model == "tts-1");
    CHECK(speech->input == "Grüße");
    CHECK(speech->voice == "alloy");
    CHECK(speech->format == "opus");
    CHECK(speech->speed == 1.5);
    CHECK(speech->instructions == "calm");
    CHECK(speech->stream_format == "audio");
    CHECK(speech->raw_json == body);
}

TEST_CASE("a custom voice is an object with an id")
{
    const auto speech =
        parse_speech(R"({"model":"m","input":"i","voice":{"x":{"id":"no"},"id":"voice_1234"}})");
    REQUIRE(speech);
    CHECK(speech->voice == "voice_1234");
}

TEST_CASE("each fault of a speech body names its parameter")
{
    const auto with = [](const std::string& more) {
        return R"({"model":"m","input":"i","voice":"v")" + more + "}";
    };
    const std::vector<std::pair<std::string, std::string>> cases{
        {R"({"input":"i","voice":"v"})", "model"},
        {R"({"model":"m","voice":"v"})", "input"},
        {R"({"model":"m","input":"","voice":"v"})", "input"},
        {R"({"model":"m","input":"i"})", "voice"},
        {R"({"model":"m","input":"i","voice":{}})", "voice"},
        {R"({"model":"m","input":"i","voice":["alloy"]})", "voice"},
        {R"({"model":7,"input":"i","voice":"v"})", "model"},
        {R"({"model":"m","input":{"a":1},"voice":"v"})", "input"},
        {with(R"(,"response_format":"ogg")"), "response_format"},
        {with(R"(,"speed":0.2)"), "speed"},
        {with(R"(,"speed":4.1)"), "speed"},
        {with(R"(,"speed":"fast")"), "speed"},
        {with(R"(,"speed":1e999)"), ""},
        {with(R"(,"stream_format":"ws")"), "stream_format"},
        {with(R"(,"instructions":")" + std::string(4097, 'x') + "\""), "instructions"},
        {"", ""},
        {"[]", ""},
        {"\"text\"", ""},
        {"{\"model\":", ""},
        {"{\"model\":\"\xC3\"}", ""},
        {std::string(100000, '['), ""},
    };
    for (const auto& [body, param] : cases) {
        INFO(body.substr(0, 80));
        const auto speech = parse_speech(body);
        REQUIRE_FALSE(speech);
        CHECK(speech.error().kind == ErrorKind::usage);
        CHECK(param_of(speech.error()) == param);
        CHECK_FALSE(speech.error().hint.empty());
    }
}

TEST_CASE("the input's length is counted in characters, not bytes")
{
    const auto body = [](std::size_t n) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i)
            text += "ü";
        return R"({"model":"m","voice":"v","input":")" + text + "\"}";
    };
    CHECK(parse_speech(body(4096)));
    const auto speech = parse_speech(body(4097));
    REQUIRE_FALSE(speech);
    CHECK(speech.error().message == "parameter 'input' is 4097 characters long, the limit is 4096");
}

TEST_CASE("a transcription form gives its parameters")
{
    const auto params = form({{"model", "whisper-1"},
                              {"language", "en"},
                              {"prompt", "names"},
                              {"response_format", "verbose_json"},
                              {"temperature", "0.25"},
                              {"timestamp_granularities[]", "word"},
                              {"timestamp_granularities[]", "segment"},
                              {"stream", "true"},
                              {"include[]", "logprobs"}});
    REQUIRE(params);
    CHECK(params->model == "whisper-1");
    CHECK(params->language == "en");
    CHECK(params->response_format == "verbose_json");
    CHECK(params->temperature == "0.25");
    CHECK(params->granularities == std::vector<std::string>{"word", "segment"});
    CHECK(params->stream);
    CHECK(params->complete);
    CHECK(params->filename == "a.wav");
    CHECK(params->boundary == "b");
}

TEST_CASE("each fault of a transcription form names its parameter")
{
    const std::vector<std::pair<std::string, std::string>> cases{
        {"response_format", "xml"}, {"temperature", "2"}, {"temperature", "warm"},
        {"temperature", "nan"},     {"stream", "maybe"},  {"language", "\xFF\xFE"},
    };
    for (const auto& [name, value] : cases) {
        INFO(name << " = " << value);
        const auto params = form({{"model", "m"}, {name, value}});
        REQUIRE_FALSE(params);
        CHECK(param_of(params.error()) == name);
    }
    CHECK(param_of(form({}).error()) == "model");
    CHECK(param_of(
              form({{"model", "m"}, {"timestamp_granularities", "line"}, {"response_format", "verbose_json"}})
                  .error()) == "timestamp_granularities");
    CHECK(param_of(form({{"model", "m"}, {"timestamp_granularities", "word"}}).error()) ==
          "timestamp_granularities");
    CHECK(param_of(
              form({{"model", "m"}, {"response_format", "diarized_json"}}, Operation::translation).error()) ==
          "response_format");
}

TEST_CASE("a model that may still come is not missed")
{
    MultipartReader reader("b");
    std::vector<std::string_view> audio;
    REQUIRE(reader.feed("--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc", audio));
    const auto params = read_transcription(reader, "b", Operation::transcription);
    REQUIRE(params);
    CHECK_FALSE(params->complete);
}

TEST_CASE("a refused request is told in OpenAI's shape")
{
    const auto speech = parse_speech(R"({"model":"m","input":"i","voice":"v","speed":9})");
    REQUIRE_FALSE(speech);
    const auto body = parse_json(bad_request_body(speech.error()));
    REQUIRE(body);
    const auto& error = (*body)["error"];
    CHECK(error["type"] == "invalid_request_error");
    CHECK(error["param"] == "speed");
    CHECK(error["code"].is_null());
    CHECK(error["message"].get<std::string>().starts_with("parameter 'speed' must be from 0.25 to 4"));
}
