// SPDX-License-Identifier: Apache-2.0
// A look at what a TLS server shows. It trusts nobody and sends nothing but its greeting.
#pragma once

#include "core/certificate.hpp"

namespace conduit {

struct TlsEndpoint {
    std::string host; // a name or an address
    std::string port = "443";
    std::string server_name; // what is asked for; empty: the host
};

// Its own certificate first. unreachable: nobody listens there; failed: it speaks no TLS.
Result<std::vector<CertificateInfo>> served_certificates(const TlsEndpoint& endpoint, Deadline deadline);

} // namespace conduit
