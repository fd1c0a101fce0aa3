// SPDX-License-Identifier: Apache-2.0
#include "core/certificate.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/certificate_maker.hpp"

using namespace conduit;
using namespace conduit::test;

namespace {

const WallTime k_from = parse_time("2026-01-01T00:00:00Z").value();
const WallTime k_to = parse_time("2027-01-01T00:00:00Z").value();

} // namespace

TEST_CASE("a chain is read with its names, dates and signatures")
{
    const auto root =
        make_certificate({.subject = "Root", .names = {}, .not_before = k_from, .not_after = k_to});
    const auto leaf = make_certificate({.subject = "api.example",
                                        .names = {"api.example", "*.audio.example"},
                                        .not_before = k_from,
                                        .not_after = k_to,
                                        .serial = 0x1a2b},
                                       &root);
    const auto chain = read_certificates(leaf.certificate + root.certificate).value();
    REQUIRE(chain.size() == 2);
    CHECK(chain[0].subject == "CN=api.example");
    CHECK(chain[0].issuer == "CN=Root");
    CHECK(chain[0].serial == "1a2b");
    CHECK(chain[0].names == std::vector<std::string>{"api.example", "*.audio.example"});
    CHECK(chain[0].not_after == k_to);
    CHECK(chain[0].signed_by_next);
    CHECK_FALSE(chain[0].self_signed);
    CHECK(chain[1].self_signed);
    CHECK(public_key_of(leaf.key).value() == chain[0].public_key);
    CHECK(public_key_of(root.key).value() != chain[0].public_key);
    const auto stranger =
        make_certificate({.subject = "Root", .names = {}, .not_before = k_from, .not_after = k_to});
    CHECK_FALSE(read_certificates(leaf.certificate + stranger.certificate).value()[0].signed_by_next);
    CHECK(names_host(chain[0], "API.example"));
    CHECK(names_host(chain[0], "tts.audio.example"));
    CHECK_FALSE(names_host(chain[0], "a.tts.audio.example"));
    CHECK_FALSE(names_host(chain[0], "audio.example"));
}

TEST_CASE("what is no certificate is said to be none")
{
    CHECK_FALSE(read_certificates(""));
    CHECK_FALSE(read_certificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    CHECK_FALSE(read_certificates(std::string(300U << 10U, 'x')));
    CHECK_FALSE(public_key_of("tea"));
    const auto one = make_certificate({.not_before = k_from, .not_after = k_to});
    std::string many;
    for (int i = 0; i < 17; ++i)
        many += one.certificate;
    CHECK_FALSE(read_certificates(many));
}
