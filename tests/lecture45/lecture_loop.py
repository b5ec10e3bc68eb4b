"""The lecture's training loop as it was taught, to judge the package's loop by: it shares nothing with the package.

Written from the description of the lecture alone, with torch and torchvision and nothing of Triptych. As there, ONE
loop feeds the same batches to three nets: net1 (scratch), net2 (everything fine-tuned) and net3 (only `fc` given to
the optimiser). The faults that affect its numbers are fixed:

1. every loss that is plotted is also recorded;
2. the sums start again from zero before the test pass;
3. a loss is the sum of loss x n over the number of images, whatever the size of the last batch.

Everything else is left as it was. In particular net3 is in train mode and its trunk is not frozen: a full backward
pass is computed for nothing, and since its optimiser zeroes only `fc`'s gradients, those of the trunk add up for ever.
"""

from dataclasses import dataclass, field

import torch
import torchvision

BATCH = 32
RATE = 1e-4


@dataclass
class Net:
    """What the loop gave for one net. Every list has an entry an epoch; accuracies are in percent.

    `test_scores` are what the last layer gave for the test images, float32 [images, classes]. `gradients` are the names
    of the parameters that had a gradient at the end, used or not.
    """

    train_loss: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    test_loss: list = field(default_factory=list)
    test_accuracy: list = field(default_factory=list)
    test_scores: list = field(default_factory=list)
    weights: dict = field(default_factory=dict)
    gradients: list = field(default_factory=list)


def resnet18_with(weights):
    """torchvision's ResNet-18 with the given state_dict, its head as wide as there."""
    net = torchvision.models.resnet18(weights=None)
    net.fc = torch.nn.Linear(512, len(weights["fc.bias"]))
    net.load_state_dict(weights)
    return net


def lecture_loop(weights1, weights2, weights3, train_set, test_set, resize, batches):
    """Train the three nets side by side.

    Args:
        weights1, weights2, weights3: state_dicts of the nets before training.
        train_set, test_set: pairs of images, uint8 [N, H, W, 3], and labels, int64 [N].
        resize: makes a net's input, float32 [N, 3, size, size] in 0..1, of uint8 images.
        batches: for each epoch the batches in their order, each the indices of its training images.

    Returns:
        What came of net1, net2 and net3, each a `Net`.
    """
    train_x, train_y = resize(torch.as_tensor(train_set[0])), torch.as_tensor(train_set[1])
    test_x, test_y = resize(torch.as_tensor(test_set[0])), torch.as_tensor(test_set[1])

    net1, net2, net3 = resnet18_with(weights1), resnet18_with(weights2), resnet18_with(weights3)
    adam1 = torch.optim.Adam(net1.parameters(), lr=RATE)
    adam2 = torch.optim.Adam(net2.parameters(), lr=RATE)
    adam3 = torch.optim.Adam(net3.fc.parameters(), lr=RATE)
    criterion = torch.nn.NLLLoss()
    log_softmax = torch.nn.LogSoftmax(dim=1)
    result1, result2, result3 = Net(), Net(), Net()

    for batches_of_this_epoch in batches:
        # Training
        net1.train()
        net2.train()
        net3.train()
        loss1 = loss2 = loss3 = 0.0
        hits1 = hits2 = hits3 = 0
        for index in batches_of_this_epoch:
            x, y = train_x[index], train_y[index]

            adam1.zero_grad()
            out1 = log_softmax(net1(x))
            error1 = criterion(out1, y)
            error1.backward()
            adam1.step()
            loss1 += error1.item() * len(y)
            hits1 += int((out1.max(1).indices == y).sum())

            adam2.zero_grad()
            out2 = log_softmax(net2(x))
            error2 = criterion(out2, y)
            error2.backward()
            adam2.step()
            loss2 += error2.item() * len(y)
            hits2 += int((out2.max(1).indices == y).sum())

            adam3.zero_grad()
            out3 = log_softmax(net3(x))
            error3 = criterion(out3, y)
            error3.backward()
            adam3.step()
            loss3 += error3.item() * len(y)
            hits3 += int((out3.max(1).indices == y).sum())

        result1.train_loss.append(loss1 / len(train_y))
        result2.train_loss.append(loss2 / len(train_y))
        result3.train_loss.append(loss3 / len(train_y))
        result1.train_accuracy.append(100 * hits1 / len(train_y))
        result2.train_accuracy.append(100 * hits2 / len(train_y))
        result3.train_accuracy.append(100 * hits3 / len(train_y))

        # Test, in order
        net1.eval()
        net2.eval()
        net3.eval()
        loss1 = loss2 = loss3 = 0.0
        hits1 = hits2 = hits3 = 0
        scores1, scores2, scores3 = [], [], []
        with torch.no_grad():
            for start in range(0, len(test_y), BATCH):
                x, y = test_x[start : start + BATCH], test_y[start : start + BATCH]

                raw1, raw2, raw3 = net1(x), net2(x), net3(x)
                loss1 += criterion(log_softmax(raw1), y).item() * len(y)
                loss2 += criterion(log_softmax(raw2), y).item() * len(y)
                loss3 += criterion(log_softmax(raw3), y).item() * len(y)
                hits1 += int((raw1.max(1).indices == y).sum())
                hits2 += int((raw2.max(1).indices == y).sum())
                hits3 += int((raw3.max(1).indices == y).sum())
                scores1.append(raw1)
                scores2.append(raw2)
                scores3.append(raw3)

        result1.test_loss.append(loss1 / len(test_y))
        result2.test_loss.append(loss2 / len(test_y))
        result3.test_loss.append(loss3 / len(test_y))
        result1.test_accuracy.append(100 * hits1 / len(test_y))
        result2.test_accuracy.append(100 * hits2 / len(test_y))
        result3.test_accuracy.append(100 * hits3 / len(test_y))
        result1.test_scores.append(torch.cat(scores1))
        result2.test_scores.append(torch.cat(scores2))
        result3.test_scores.append(torch.cat(scores3))

    for net, result in ((net1, result1), (net2, result2), (net3, result3)):
        result.weights = net.state_dict()
        result.gradients = [name for name, tensor in net.named_parameters() if tensor.grad is not None]
    return result1, result2, result3
