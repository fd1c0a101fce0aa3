// SPDX-License-Identifier: Apache-2.0
// The compiled part of Boost.JSON, which Debian's headers can bring along: no library to link or to install.
#include <boost/json/src.hpp>
