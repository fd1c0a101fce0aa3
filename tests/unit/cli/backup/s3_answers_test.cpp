// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/s3_answers.hpp"

#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::backup;

TEST_CASE("a page of a list is read, with keys as they are")
{
    const auto page = read_s3_list("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated>"
                                   "<Contents><Key>prod/a &amp; b.zst</Key><Size>12</Size></Contents>"
                                   "<NextContinuationToken>n1</NextContinuationToken></ListBucketResult>");
    REQUIRE(page);
    CHECK(page->files.at(0).path == "prod/a & b.zst");
    CHECK(page->files.at(0).bytes == 12);
    CHECK(page->next == "n1");
}

TEST_CASE("what is no answer of a store is told as that")
{
    for (const auto* text :
         {"", "<html>", "{}", "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
          "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
          "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"})
        CHECK_FALSE(read_s3_list(text));
    CHECK_FALSE(read_s3_upload_id("<InitiateMultipartUploadResult/>"));
    CHECK(read_s3_upload_id(
              "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
              .value() == "u");
    CHECK(read_s3_error("<Error><Code>NoSuchKey</Code></Error>").code == "NoSuchKey");
    CHECK(read_s3_error("nonsense").code.empty());
    CHECK_FALSE(s3_number("99999999999999999999"));
}

TEST_CASE("entities that would grow without end are not expanded")
{
    const auto answer = read_s3_list("<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
                                     "<ListBucketResult><Contents><Key>&b;</Key><Size>1</Size></Contents>"
                                     "</ListBucketResult>");
    REQUIRE(answer);
    CHECK(answer->files.at(0).path == "&b;");
}

TEST_CASE("the pieces of an upload are named in their order")
{
    CHECK(
        write_s3_completion({"\"e1\"", "\"e2\""}) ==
        "<?xml "
        "version=\"1.0\"?><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag></Part>"
        "<Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag></Part></CompleteMultipartUpload>");
}
