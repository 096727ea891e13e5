"""ROS's ApproximateTime synchroniser in Python, without a master: http://wiki.ros.org/message_filters."""

from types import SimpleNamespace
from typing import Any

import message_filters
import rospy
from peer import main

FPS = 30


def absent(ticks: int) -> dict[str, Any]:
    """Camera and microphone, whose microphone gives nothing."""
    rospy.rostime.set_rostime_initialized(True)
    camera, microphone = message_filters.SimpleFilter(), message_filters.SimpleFilter()
    answers: list[Any] = []
    both = message_filters.ApproximateTimeSynchronizer([camera, microphone], queue_size=30, slop=0.02)
    both.registerCallback(lambda *messages: answers.append(messages))
    for i in range(ticks):
        stamp = rospy.Time.from_sec(1 + i / FPS)
        camera.signalMessage(SimpleNamespace(header=SimpleNamespace(stamp=stamp)))
    return {"ticks": ticks, "answered": len(answers)}


if __name__ == "__main__":
    main("1.15.15", {"absent": absent})
