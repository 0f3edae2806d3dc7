"""What several tests share: fakes that are not worth shipping, and servers on loopback."""
