// SPDX-License-Identifier: MIT
#include "cache/hmac.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hypernodes {
namespace {

std::string hex(const std::optional<Digest>& mac) { return mac ? mac->hex() : "none"; }

TEST(HmacTest, VectorsOfRfc4231) {
  EXPECT_EQ(hex(hmac_sha256(std::string(20, '\x0b'), {"Hi There"})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256("Jefe", {"what do ya want ", "", "for nothing?"})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256(std::string(131, '\xaa'),
                            {"Test Using Larger Than Block-Size Key - Hash Key First"})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacTest, MacsAreComparedWhole) {
  const Digest mac = *hmac_sha256("a secret", {"a text"});
  EXPECT_TRUE(same_mac(mac, mac));
  for (std::size_t byte = 0; byte < mac.bytes.size(); ++byte) {
    Digest other = mac;
    other.bytes[byte] ^= 1;
    EXPECT_FALSE(same_mac(mac, other)) << byte;
  }
}

}  // namespace
}  // namespace hypernodes
