// SPDX-License-Identifier: Apache-2.0
#include "sim/wire/multipart.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace conduit::sim;

namespace {

const std::string k_type = "multipart/form-data; boundary=xyz";
const std::string k_body =
    "--xyz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
    "--xyz\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a;\\\"b.wav\"\r\n"
    "Content-Type: audio/wav\r\n\r\n\r\n--bytes\r\n\r\n"
    "--xyz\r\nContent-Disposition: form-data; name=\"g[]\"\r\n\r\nword\r\n--xyz--\r\n";

} // namespace

TEST_CASE("Form reads fields, files and lists")
{
    const auto form = Form::parse(k_type, k_body);
    REQUIRE(form);
    CHECK(form->value("model") == "whisper-1");
    CHECK(form->value("absent").empty());
    REQUIRE(form->find("file") != nullptr);
    CHECK(form->find("file")->filename == "a;\"b.wav");
    CHECK(form->find("file")->data == "\r\n--bytes\r\n");
    CHECK(form->values("g").size() == 1);
    CHECK(Form::parse("Multipart/Form-Data; charset=utf-8; boundary=\"xyz\"", "preamble\r\n" + k_body));
}

TEST_CASE("Form refuses bodies and types that are not multipart")
{
    CHECK_FALSE(Form::parse("application/json", k_body));
    CHECK_FALSE(Form::parse("multipart/form-data", k_body));
    CHECK_FALSE(Form::parse("multipart/form-data; boundary=", k_body));
    CHECK_FALSE(Form::parse("multipart/form-data; boundary=other", k_body));
    CHECK_FALSE(Form::parse(k_type, ""));
    CHECK_FALSE(Form::parse(k_type, "--xyz"));
    CHECK_FALSE(Form::parse(k_type, "--xyz\r\n\r\n\r\n--xyz--"));
    CHECK_FALSE(Form::parse(k_type, "--xyz\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xyz--"));
    std::string many;
    for (int i = 0; i < 1001; ++i)
        many += "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
    CHECK_FALSE(Form::parse(k_type, many + "--xyz--"));
}

TEST_CASE("Form survives every cut and random damage")
{
    for (std::size_t cut = 0; cut < k_body.size(); ++cut)
        (void)Form::parse(k_type, k_body.substr(0, cut));
    std::mt19937 random{3};
    for (int round = 0; round < 5000; ++round) {
        auto bad = k_body;
        for (int i = 0; i < 4; ++i)
            bad[random() % bad.size()] = static_cast<char>(random());
        auto type = k_type;
        type[random() % type.size()] = static_cast<char>(random());
        (void)Form::parse(type, k_body);
        const auto form = Form::parse(k_type, bad);
        if (form)
            CHECK(form->value("model").size() < bad.size());
    }
}
