"""What several tests share: a scripted collector, a clock by hand, processes to kill."""
