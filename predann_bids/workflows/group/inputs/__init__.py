"""What a run takes in: which derivatives, which channels, the audio; put together as material."""
