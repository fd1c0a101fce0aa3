// SPDX-License-Identifier: Apache-2.0
// Repositories in an S3-compatible store that the test starts.
#include "cli/backup/s3.hpp"

#include "cli/backup/catalog.hpp"
#include "cli/backup/run.hpp"
#include "cli/backup/verify.hpp"
#include "core/child.hpp"
#include "core/hash.hpp"
#include "core/http.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <algorithm>
#include <fmt/format.h>

using namespace conduit;
using namespace conduit::backup;
using namespace conduit::test;

namespace {

class Store {
  public:
    Store()
    {
        const fs::path here = fs::path(CONDUIT_SOURCE_DIR) / "tests/integration/s3";
        if (!fs::exists(here / "node_modules/s3rver"))
            FAIL("the S3-compatible store is not installed: tests/integration/s3/install");
        auto child =
            Child::start({.argv = {"node", (here / "server.mjs").string(), (dir_.path() / "data").string(),
                                   port_file().string(), faults().string()},
                          .env = {}});
        REQUIRE(child);
        server_ = std::make_unique<Child>(*std::move(child));
        REQUIRE(eventually([&] { return fs::exists(port_file()); }, 30s));
    }

    S3Place place() const
    {
        auto place = parse_s3("s3://backups/prod").value();
        place.endpoint = "http://127.0.0.1:" + read_file(port_file()).value();
        place.region = "us-east-1";
        place.path_style = true;
        place.credentials = {.access_key = "S3RVER", .secret_key = "S3RVER", .session_token = {}};
        place.piece = 5U << 20U;
        return place;
    }
    std::unique_ptr<Repository> open(const S3Place& place)
    {
        return open_s3(place, *http_, system_clock(), nullptr);
    }
    void break_next(int requests, const std::string& kind = {})
    {
        REQUIRE(write_file(faults(), fmt::format("{} {}", requests, kind)));
    }

  private:
    fs::path port_file() const { return dir_.path() / "port"; }
    fs::path faults() const { return dir_.path() / "faults"; }
    TempDir dir_ = TempDir::make("conduit-s3").value();
    std::unique_ptr<Child> server_;
    std::unique_ptr<HttpClient> http_ = make_curl_client();
};

std::string noise(std::size_t size)
{
    std::string bytes(size, '\0');
    random_bytes(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()); // NOLINT: bytes are bytes
    return bytes;
}

struct Kept final : ByteSink {
    std::string bytes;
    Result<> write(std::string_view more) override
    {
        bytes += more;
        return {};
    }
};

} // namespace

TEST_CASE_METHOD(Store, "a store keeps what it was given, small or in pieces, and lists it")
{
    const auto store = open(place());
    CHECK(store->list("").value().empty());
    const auto large = noise((12U << 20U) + 17);
    REQUIRE(store->write_small("20261122T020000Z-7f3a/a b+c.json", "small"));
    REQUIRE(store->write_small("20261122T020000Z-7f3a/empty", ""));
    {
        const auto upload = store->create("20261122T020000Z-7f3a/large").value();
        for (std::size_t at = 0; at < large.size(); at += 700'000)
            REQUIRE(upload->write(std::string_view(large).substr(at, 700'000)));
        CHECK(store->list("").value().size() == 2); // not there before it is whole
        REQUIRE(upload->finish());
    }
    const auto files = store->list("20261122T020000Z-7f3a").value();
    REQUIRE(files.size() == 3);
    CHECK(files[0].path == "20261122T020000Z-7f3a/a b+c.json");
    CHECK(files[2].bytes == large.size());
    Kept kept;
    REQUIRE(store->read("20261122T020000Z-7f3a/large", kept));
    CHECK(kept.bytes == large);
    CHECK(store->read_small("20261122T020000Z-7f3a/empty").value().empty());
    REQUIRE(store->remove("20261122T020000Z-7f3a/large"));
    REQUIRE(store->remove("20261122T020000Z-7f3a/large"));
    CHECK(store->read("20261122T020000Z-7f3a/large", kept).error().kind == ErrorKind::not_found);
}

TEST_CASE_METHOD(Store, "a store that is busy or breaks off is asked again, one that stays so is named")
{
    auto near = place();
    const auto store = open(near);
    for (const auto* kind : {"", "cut"}) {
        break_next(2, kind);
        REQUIRE(store->write_small("x/file", kind));
        break_next(2, kind);
        CHECK(store->read_small("x/file").value() == kind);
    }
    near.patience = Duration{600};
    const auto hasty = open(near);
    break_next(1'000);
    const auto busy = hasty->write_small("x/file", "new");
    REQUIRE_FALSE(busy);
    CHECK(busy.error().kind == ErrorKind::unreachable);
    CHECK(busy.error().message.find("503 SlowDown") != std::string::npos);
    break_next(1'000, "cut");
    CHECK(hasty->write_small("x/file", "new").error().kind == ErrorKind::unreachable);
    break_next(0);
    CHECK(store->read_small("x/file").value() == "cut"); // nothing half was written
}

TEST_CASE_METHOD(Store, "wrong credentials and a missing bucket are told as that, without the secret")
{
    auto wrong = place();
    wrong.credentials.secret_key = "planted-secret-0123";
    const auto refused = open(wrong)->list("");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::auth);
    CHECK(refused.error().message.find("SignatureDoesNotMatch") != std::string::npos);
    CHECK(refused.error().message.find("planted") == std::string::npos);
    CHECK(refused.error().cause.find("planted") == std::string::npos);
    // A clock that is an hour off is told as that.
    struct Ahead final : Clock {
        WallTime now() const override { return system_clock().now() + 1h; }
        SteadyTime steady() const override { return system_clock().steady(); }
        void sleep(Duration duration) override { system_clock().sleep(duration); }
    } ahead;
    const auto client = make_curl_client();
    const auto skewed = open_s3(place(), *client, ahead, nullptr)->list("");
    REQUIRE_FALSE(skewed);
    CHECK(skewed.error().kind == ErrorKind::auth);
    CHECK(skewed.error().hint.find("clocks differ") != std::string::npos);
    auto absent = place();
    absent.bucket = "no-such-bucket";
    const auto missing = open(absent)->list("");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().kind == ErrorKind::not_found);
    CHECK(missing.error().hint.find("no-such-bucket") != std::string::npos);
    auto nobody = place();
    nobody.endpoint = "http://127.0.0.1:1";
    nobody.patience = Duration{300};
    CHECK(open(nobody)->list("").error().kind == ErrorKind::unreachable);
    CHECK_FALSE(parse_s3("s3://"));
    CHECK_FALSE(parse_s3("s3://Bucket_Of_Mine/x"));
}

TEST_CASE_METHOD(Store, "a folder is backed up to a store and proved from there")
{
    const auto dir = TempDir::make().value();
    REQUIRE(write_file(dir.path() / "noise", noise(7U << 20U)));
    const auto store = open(place());
    std::vector<std::unique_ptr<Source>> sources;
    sources.push_back(tar_of_folder(dir.path(), nullptr));
    const auto made = run_backup(*store, sources,
                                 {.id = make_id(system_clock().now()),
                                  .system = "audio",
                                  .operation = "01JD",
                                  .keys = {},
                                  .clock = &system_clock(),
                                  .stop = nullptr,
                                  .progress = {},
                                  .sent = {}},
                                 Deadline(60s));
    REQUIRE(made);
    const auto proved = verify_backup(*store, *made,
                                      {.level = Level::counted,
                                       .rto = {},
                                       .scratch = {},
                                       .keys = {},
                                       .clock = &system_clock(),
                                       .stop = nullptr,
                                       .progress = {}},
                                      Deadline(60s));
    REQUIRE(proved);
    CHECK(proved->reached());
    REQUIRE(keep_proof(*store, proved->proof));
    const auto catalog = read_catalog(*store).value();
    REQUIRE(catalog.entries.size() == 1);
    CHECK(catalog.entries[0].level == Level::counted);
}
